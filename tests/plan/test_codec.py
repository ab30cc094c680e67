"""Plans as bytes: those of the document, and nothing believed that differs from them by one byte."""

from __future__ import annotations

import io

import orjson
import pytest
from hypothesis import given
from msgspec import ValidationError
from msgspec.structs import replace

from reconciler.errors import IntegrityFailed
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.plan import Action, Change, OutsideChange, Plan, Touch
from reconciler.plan import codec
from reconciler.plan.convert import to_document

from .plans import PLANS


def written(plan: Plan, key_id: str | None = None) -> bytes:
    file = io.BytesIO()
    digests, offsets = codec.write(plan, file, key_id)
    for name, text in (("digest", digests.content), ("sources_digest", digests.sources), ("hmac", "f" * 64)):
        if name in offsets:
            file.seek(offsets[name])
            file.write(text.encode())
    return file.getvalue()


@given(PLANS)
def test_the_bytes_are_those_of_the_document(plan: Plan) -> None:
    assert written(plan) == (canonical(to_document(plan)) + "\n").encode()
    signed = orjson.loads(written(plan, "k1"))
    assert signed.pop("hmac") == {"key": "k1", "value": "f" * 64}
    assert signed == to_document(plan)


@given(PLANS)
def test_what_was_written_is_read(plan: Plan) -> None:
    found = codec.read(written(plan, "k1"))
    assert found.agrees
    assert found.plan == plan
    assert found.digests == found.stated == (to_document(plan)["digest"], to_document(plan)["sources_digest"])
    assert found.signature is not None
    assert (found.signature.key, found.signature.value) == ("k1", "f" * 64)


def many(count: int) -> Plan:
    body = {"description": "", "target": "tenant", "per": "hour", "requests": 5, "on_exceed": "block", "labels": {}}
    changes = tuple(
        Change(Address("acme", "limit", f"l{n}"), Action.CREATE, None, {**body, "requests": n}) for n in range(count)
    )
    return Plan("shop", None, None, 0, "d", "empty", "0" * 32, "1", changes)


def believed(data: bytes) -> Plan | None:
    """Return the plan; None where the bytes are not those of one."""
    try:
        return codec.read(data).believed().plan
    except (ValueError, IntegrityFailed):
        return None


def test_many_changes() -> None:
    plan = many(5_000)
    data = written(plan)
    assert data == (canonical(to_document(plan)) + "\n").encode()
    assert believed(data) == plan


@pytest.mark.parametrize("count", [3, 500])
def test_any_other_byte_is_noticed(count: int) -> None:
    data = written(many(count))
    for at in range(1, len(data) - 1, max(1, len(data) // 60)):
        if data[at : at + 1].isdigit():
            assert believed(data[:at] + (b"1" if data[at : at + 1] != b"1" else b"2") + data[at + 1 :]) is None


@pytest.mark.parametrize("space", [b" ", b"\n", b"\t"])
def test_any_space_is_noticed(space: bytes) -> None:
    data = written(many(3))
    cuts = [at for at in range(len(data) - 1) if data[at : at + 1] in {b",", b":", b"[", b"{"}]
    found = [at for at in cuts if believed(data[: at + 1] + space + data[at + 1 :]) is not None]
    assert found == []


@pytest.mark.parametrize(
    ("key", "twin"),
    [
        (b'"project":', b'"project":"other",'),
        (b'"address":"acme/limit/l1"', b'"address":"acme/limit/l9",'),
        (b'"requests":1,', b'"requests":9,'),
        (b'"resource_changes":', b'"resource_changes":[],'),
        (b'"before":null},', b'"before":{},'),
    ],
)
def test_a_key_twice_is_noticed(key: bytes, twin: bytes) -> None:
    """The first one may be what a policy reads: the last one is what an apply would do."""
    data = written(many(3))
    at = data.index(key)
    assert believed(data) is not None
    assert believed(data[:at] + twin + data[at:]) is None


@pytest.mark.parametrize("body", ['{"b":1,"a":2}', '{"a": 1}', '{"a":"\\u0061"}', '{"a":1,"a":2}', '{"a":1e2}'])
def test_a_body_that_is_not_canonical_is_noticed(body: str) -> None:
    """Of the rest every byte is compared. A body is passed as it is, and its digest may be that of these bytes."""
    plan = many(3)
    forged = written(replace(plan, changes=(replace(plan.changes[0], new=body), *plan.changes[1:])))
    assert not codec.read(forged).agrees


def test_a_body_that_looks_like_changes_is_no_change() -> None:
    plan = many(2)
    odd = {"config": [{"action": "create"}, {"action": "delete"}], "resource_changes": [], "resource_drift": []}
    odd |= {"digest": "0" * 64, "sources_digest": "0" * 64, "hmac": {"key": "", "value": "0" * 64}}
    outside = OutsideChange(plan.changes[0].address, "changed", odd, odd, (), Touch())
    changes = (plan.changes[0], replace(plan.changes[1], new=odd))
    plan = replace(plan, changes=changes, outside=(outside,), notes=(canonical(odd),))
    data = written(plan, "k1")
    signature = {"key": "k1", "value": "f" * 64}
    assert data == (canonical({**to_document(plan), "hmac": signature}) + "\n").encode()
    assert believed(data) == plan


def test_the_decoder_names_the_place_of_another_form() -> None:
    data = written(many(3))
    for one, other, place in (
        (b'"address":"acme/limit/l1"', b'"address":5', "resource_changes.1.address"),
        (b'"mode":"managed"', b'"mode":"other"', "resource_changes.0.mode"),
        (b'"name":"l2",', b"", "resource_changes.2.name"),
        (b'"before":null', b'"before":[]', "resource_changes.0.change.before"),
        (b'"digest":"', b'"digest":"x', "digest"),
        (b'"owned":0', b'"owned":0,"evil":1', "the file"),
        (b'"uid":null', b'"uid":null,"evil":1', "resource_changes.0"),
    ):
        with pytest.raises(ValidationError) as caught:
            codec.read(data.replace(one, other, 1))
        assert codec.place_of(caught.value) == place
