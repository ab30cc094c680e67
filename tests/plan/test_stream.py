"""Plans in pieces: the same bytes as the document's, and nothing believed that is not to the byte what was written."""

from __future__ import annotations

import io

import orjson
import pytest
from hypothesis import given
from msgspec.structs import replace

from reconciler.errors import Place
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.plan import Action, Change, Plan
from reconciler.plan import creation, stream
from reconciler.plan.convert import change_document, to_document
from reconciler.plan.creation import written as written_creation
from reconciler.processes import MANY

from .plans import PLANS


def written(plan: Plan, key_id: str | None = None) -> bytes:
    file = io.BytesIO()
    digests, places = stream.write(plan, file, key_id)
    for name, text in (("digest", digests.content), ("sources_digest", digests.sources), ("hmac", "f" * 64)):
        if name in places:
            file.seek(places[name])
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
    found = stream.read(written(plan, "k1"))
    assert found is not None
    assert to_document(found[0]) == to_document(plan)
    assert found[1] == (to_document(plan)["digest"], to_document(plan)["sources_digest"])
    assert found[2] == {"key": "k1", "value": "f" * 64}


def many(count: int) -> Plan:
    body = {"description": "", "target": "tenant", "per": "hour", "requests": 5, "on_exceed": "block", "labels": {}}
    changes = tuple(
        Change(Address("acme", "limit", f"l{n}"), Action.CREATE, None, {**body, "requests": n}) for n in range(count)
    )
    return Plan("shop", None, None, 0, "d", "empty", "0" * 32, "1", changes)


def test_many_changes_over_several_processes() -> None:
    plan = many(MANY + 1)
    data = written(plan)
    assert data == (canonical(to_document(plan)) + "\n").encode()
    found = stream.read(data)
    assert found is not None
    assert found[0].changes == plan.changes


@pytest.mark.parametrize("count", [3, MANY])
def test_any_other_byte_is_noticed(count: int) -> None:
    data = written(many(count))
    for at in range(1, len(data) - 1, max(1, len(data) // 60)):
        if data[at : at + 1].isdigit():
            assert stream.read(data[:at] + (b"1" if data[at : at + 1] != b"1" else b"2") + data[at + 1 :]) is None


def test_a_body_that_looks_like_changes_is_no_change() -> None:
    plan = many(2)
    odd = {"config": [{"action": "create"}, {"action": "delete"}], "resource_changes": [], "resource_drift": []}
    changes = (plan.changes[0], replace(plan.changes[1], new=odd))
    found = stream.read(written(replace(plan, changes=changes)))
    assert found is None or found[0].changes == changes


def test_a_creation_is_written_as_its_document_is() -> None:
    """The quick way and the whole one agree, so that the quick one is taken."""
    for source, risks, explicit in (
        (None, (), ()),
        (Place('a "b"/ü.yaml', 3, None), ("access-widened",), (("a", 0), ("b",))),
        (Place("x.yaml", None, None), ("deletes", "limit-raised"), ()),
    ):
        body = {"text": 'ü"\\\n', "n": 1, "deep": {"z": [1, None], "a": 1.5}}
        change = Change(
            Address("acme", "limit", "l-1"), Action.CREATE, None, body, explicit=explicit, source=source, risks=risks
        )
        text = stream.canonical_bytes(change_document(change))
        found, record = stream._change(text)
        assert found == change
        assert record is not None
        assert written_creation(record) == text


@pytest.mark.parametrize("count", [1, 200_000])
def test_ends_of_bodies_inside_of_bodies(count: int) -> None:
    """A pattern would try each of them with each of what may follow; these take no time that anybody could measure."""
    end = b"}" + creation._BETWEEN[3] + b"[]"
    change = Change(Address("acme", "limit", "l-1"), Action.CREATE, None, {"a": {"before": None}, "explicit": [[]]})
    text = stream.canonical_bytes(change_document(change))
    assert creation.record_of(text) is not None
    assert creation.record_of(text.replace(creation._BETWEEN[3], end * count)) is None
    assert creation.record_of(text + end * count) is None
    assert creation.record_of(end * count) is None
