"""Stored bodies that are not valid: what holds a secret, or may, is masked, and everything else stays as it is."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from reconciler.errors import Path
from reconciler.kinds.mask import holds_mask
from reconciler.kinds.meaning import normal, shown_body
from reconciler.kinds.parse import parse
from reconciler.kinds.schema import Shape, fields_of
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical, drop, get, leaves, put
from reconciler.model.live import Row
from reconciler.model.spec import Spec
from tests.kinds.full import FULL, bodies
from tests.kinds.support import CANARY, MINIMAL, REF

KEY = b"a secret of the database"
MASK = re.compile(r"\((not a reference|not shown): [0-9a-f]{8}\)")


def row(kind: str, raw: Any, tenant: str = "acme", key: bytes = KEY, version: int = 1) -> Row:
    text = raw if isinstance(raw, str) else canonical(raw)
    return Row(Address(tenant, kind, "it"), "uid", text, version, 1, mask_key=key)


def shown(kind: str, raw: Any, **more: Any) -> str:
    return canonical(normal(row(kind, raw, **more)).body)


def _private(shape: Shape, path: Path, depth: int = 0) -> Iterator[Path]:
    """The places of a spec that are marked as private, in maps under a name of the test's own."""
    if shape.private:
        yield path
    if depth > 5:
        return
    for name, below in _fields(shape.part).items():
        yield from _private(below, (*path, name), depth + 1)
    if shape.values is not None:
        yield from _private(shape.values, (*path, "X_NAME"), depth + 1)
    if shape.items is not None:
        yield from _private(shape.items, (*path, 0), depth + 1)
    for member in (*shape.members.values(), *shape.either):
        yield from _private(member, path, depth + 1)


def _fields(part: type[BaseModel] | None) -> dict[str, Shape]:
    return dict(fields_of(part)) if part is not None else {}


def private_places() -> Iterator[tuple[str, dict[str, Any], Path]]:
    for (kind, variant), body in MINIMAL.items():
        spec = KINDS[kind].variants.get(variant) or next(iter(KINDS[kind].variants.values()))
        for path in dict.fromkeys(_private(Shape(part=spec), ())):
            yield kind, body, path


def _put(body: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """With lists where the path goes through one, and the tag of the part that has such a field."""
    made = [value] if path[-1] == 0 else value
    found: dict[str, Any] = put(body, path[:-1] if path[-1] == 0 else path, made)
    return found


def _damaged(kind: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    tag = KINDS[kind].discriminator
    yield body
    yield {**body, "no_such_field": 5}
    yield {**body, "description": 5, "labels": [1]}
    if tag is not None:
        yield drop(body, (tag,))
        yield {**body, tag: "bogus"}
        yield {**body, tag: ["bogus"]}


def _is_plain(kind: str, body: dict[str, Any], path: Path) -> bool:
    """Whether the value itself is one that its spec takes in plain: a host, a header, an argument, an option."""
    found = parse(KINDS[kind], body, Address("acme", kind, "it"))
    return isinstance(found, Spec) or not any(
        one.path[: len(path)] == path[: len(one.path)] and one.code != "conflicting-fields" for one in found
    )


FORMS = (
    CANARY,
    [CANARY],
    {"a": CANARY},
    {CANARY: "a"},
    {"plain": [CANARY]},
    f"vault://{CANARY} x",
    f"https://u:{CANARY}@h",
)


def test_no_secret_field_of_any_variant_shows_a_plain_value() -> None:
    count = 0
    for kind, body, path in private_places():
        for form in FORMS:
            typed = _put(body, path, form)
            if _is_plain(kind, typed, path):
                continue
            for damaged in _damaged(kind, typed):
                assert CANARY not in shown(kind, damaged), (kind, path, form, damaged)
                count += 1
    assert count > 1500


@pytest.mark.parametrize("auth", ["bearer", "api_key", "basic", "oauth2", "bogus", None, [], {}])
def test_a_union_that_names_no_member_shows_nothing_of_it(auth: Any) -> None:
    fields = ("token", "key", "password", "client_secret")
    part = {**({} if auth is None else {"type": auth}), **dict.fromkeys(fields, CANARY)}
    for body in MINIMAL[("connector", "http")], MINIMAL[("connector", "mcp")]:
        assert CANARY not in shown("connector", {**body, "auth": part})
        assert CANARY not in shown("connector", {**body, "auth": CANARY})
        assert CANARY not in shown("connector", {**body, "auth": [part]})


@pytest.mark.parametrize("field", ["subjects", "actions", "targets"])
@pytest.mark.parametrize("value", [CANARY, [CANARY], 907318642, {"names": CANARY}])
def test_a_union_told_apart_by_its_form(field: str, value: Any) -> None:
    """A problem is said to lie below a value that has nothing below it."""
    text = shown("policy", {**MINIMAL[("policy", "")], field: value})
    assert CANARY not in text
    assert "907318642" not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"Authorization": CANARY}},
        {"headers": {"X-Api-Key": CANARY}},
        {"transport": "stdio", "url": None, "command": "x", "args": [f"--token={CANARY}"]},
        {"transport": "stdio", "url": None, "command": "x", "args": ["--token", CANARY]},
        {"transport": "stdio", "url": None, "command": "x", "env": {"A": CANARY}},
    ],
)
def test_what_only_the_rules_about_several_fields_would_refuse(fields: dict[str, Any]) -> None:
    """They don't run while a field is wrong."""
    body = {k: v for k, v in {**MINIMAL[("connector", "mcp")], **fields}.items() if v is not None}
    for damaged in _damaged("connector", body):
        assert CANARY not in shown("connector", damaged), damaged


def test_what_is_right_in_a_wrong_body_is_shown_as_it_is() -> None:
    """So that a difference shows what somebody changed, and nothing else."""
    picked = random.Random(7)
    for (kind, variant), raw in MINIMAL.items():
        spec = parse(KINDS[kind], raw, Address("acme", kind, "it"))
        assert isinstance(spec, Spec), (kind, variant)
        body = spec.normalised()
        for path, value in leaves(body):
            wrong = picked.choice([CANARY, 10**12, [CANARY], {"a": {"b": CANARY}}])
            found = normal(row(kind, put(body, path, wrong)))
            if found.valid:
                continue
            for other, kept in leaves(body):
                if other != path and other[: len(path)] != path:
                    assert get(found.body, other) == kept, (kind, variant, path, other)
            assert get(found.body, path) != value


def _maps(body: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(body, dict):
        yield path
        for name in body:
            yield from _maps(body[name], (*path, name))


@pytest.mark.parametrize("key", [CANARY, CANARY.lower(), "sk_live_9f3b7c1e", f"token={CANARY}"])
def test_a_key_that_no_spec_knows_is_a_value_too(key: str) -> None:
    """Somebody may have typed a secret on the wrong side; only what reads like the name of a field is shown."""
    count = 0
    for kind, variant in FULL:
        for body in bodies(kind, variant):
            for path in _maps(body):
                for value in (5, "x", {"a": [key]}):
                    found = normal(row(kind, put(body, (*path, key), value)))
                    if found.valid or parse_free(kind, body, (*path, key)):
                        continue
                    assert key not in canonical(found.body), (kind, variant, path)
                    count += 1
    assert count > 300
    assert "no_such_field" in shown("limit", {**MINIMAL[("limit", "")], "no_such_field": 1})


def parse_free(kind: str, body: dict[str, Any], path: Path) -> bool:
    """Whether a key is one of a map in which people choose the names."""
    found = parse(KINDS[kind], put(body, path, {}), Address("acme", kind, "it"))
    return isinstance(found, Spec) or all(one.path[: len(path)] != path or one.code != "unknown-field" for one in found)


def test_random_bodies_keep_their_secrets() -> None:
    """Canaries in several private places at once, among other damage; none of them comes out."""
    picked = random.Random(20261130)
    places: dict[str, list[tuple[str, dict[str, Any], Path]]] = {}
    for kind, body, path in private_places():
        if not _is_plain(kind, _put(body, path, CANARY), path):
            places.setdefault(canonical(body), []).append((kind, body, path))
    for number in range(1500):
        kind, body, _ = places[picked.choice([*places])][0]
        own = places[canonical(body)]
        for _ in range(picked.randint(1, 3)):
            body = _put(body, picked.choice(own)[2], f"{CANARY}-{number}")
        for _ in range(picked.randint(0, 2)):
            body = picked.choice([*_damaged(kind, body)])
        assert CANARY not in shown(kind, body), (kind, body)


def test_a_mask_tells_two_values_apart_and_nothing_else() -> None:
    body = MINIMAL[("integration", "openai")]

    def mask(value: Any, tenant: str = "acme", key: bytes = KEY) -> str:
        found = normal(row("integration", {**body, "credential": value}, tenant, key)).body["credential"]
        assert MASK.fullmatch(found)
        return str(found)

    assert mask("1234") == mask("1234")
    assert len({mask("1234"), mask("1235"), mask(1234), mask("1234", "globex"), mask("1234", key=b"another")}) == 5
    assert mask("1234").startswith("(not a reference: ")


def test_references_stay() -> None:
    body = {**MINIMAL[("integration", "openai")], "x": REF, "nested": {"y": REF}}
    found = normal(row("integration", body)).body
    assert (found["credential"], found["x"]) == (REF, REF)


@pytest.mark.parametrize("version", [1, 9])
def test_what_no_spec_can_read_is_masked_whole(version: int) -> None:
    kind = "connector" if version == 9 else "agent"
    body = {"a": CANARY, "b": {"c": CANARY}, "on": True, "none": None, f"{CANARY} with spaces": 1}
    found = shown_body(row(kind, body, version=version))
    assert CANARY not in canonical(found)
    assert (found["on"], found["none"], MASK.fullmatch(found["b"]) is not None) == (True, None, True)
    for raw in (CANARY, [CANARY], f"[{'[' * 2000}"):
        assert CANARY not in canonical(shown_body(row(kind, canonical(raw), version=version)))


def test_protection_survives_whatever_is_wrong_beside_it() -> None:
    for damaged in _damaged("connector", {**MINIMAL[("connector", "http")], "protected": True, "base_url": CANARY}):
        assert normal(row("connector", damaged)).body["protected"] is True


def test_a_mask_is_no_value() -> None:
    """It must not be written to where a text is expected."""
    masked = {**MINIMAL[("integration", "openai")], "description": "(not shown: 01234567)"}
    assert holds_mask(canonical(masked))
    assert not normal(row("integration", masked)).valid
    assert normal(row("integration", {**masked, "description": "say (not shown: 01234567)"})).valid
