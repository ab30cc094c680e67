"""No problem ever repeats a value that may be a secret, whatever stands where."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import Path, Problem
from reconciler.kinds.parse import is_public, parse
from reconciler.kinds.schema import Shape, fields_of
from reconciler.kinds.table import KINDS
from reconciler.model.body import put
from reconciler.model.resource import resource_of

from .support import CANARY, MINIMAL, address, minimal


def _text(problem: Problem) -> str:
    return " ".join(str(part) for part in (problem.message, problem.hint, problem.expected, problem.code))


def _private(fields: Any, prefix: Path = ()) -> Iterator[Path]:
    for name, shape in fields.items():
        yield from _below(shape, (*prefix, name))


def _below(shape: Shape, path: Path) -> Iterator[Path]:
    if shape.private:
        yield path
    if shape.part is not None:
        yield from _private(fields_of(shape.part), path)
    for member in shape.members.values():
        yield from _below(member, path)
    if shape.values is not None:
        yield from _below(shape.values, (*path, "key"))
    if shape.items is not None:
        yield from _below(shape.items, (*path, 0))


PRIVATE = [
    (kind, variant, path)
    for kind, variant in MINIMAL
    for path in dict.fromkeys(_private(fields_of(KINDS[kind].variants[variant])))
]
SHAPES: list[Any] = [
    CANARY,
    f"https://bob:{CANARY}@example.com",
    f"vault://{CANARY} x",
    f"Bearer {CANARY}",
    [CANARY],
    {"key": CANARY},
    {"plain": {"a": CANARY}},
    {"type": CANARY},
    {"password": CANARY, "nested": [{"token": CANARY}]},
    CANARY * 2000,
    CANARY + "\x00",
    CANARY + "\ud800",
]


def test_there_are_private_fields_to_try() -> None:
    paths = {path for _, _, path in PRIVATE}
    for path in [
        ("credential",),
        ("dsn",),
        ("password",),
        ("base_url",),
        ("auth", "token"),
        ("headers", "key"),
        ("env", "key"),
    ]:
        assert path in paths


@pytest.mark.parametrize(("kind", "variant", "path"), PRIVATE, ids=lambda value: str(value))
def test_a_private_field_is_never_repeated(kind: str, variant: str, path: Path) -> None:
    for value in SHAPES:
        raw = put(MINIMAL[kind, variant], path, value)
        if path[0] == "auth":
            for tag in ("bearer", "api_key", "basic", "oauth2"):
                _silent(kind, put(raw, ("auth", "type"), tag))
        _silent(kind, raw)
        assert not is_public(KINDS[kind], raw, path)


def _silent(kind: str, raw: Any) -> None:
    result = parse(KINDS[kind], raw, address(kind))
    if isinstance(result, tuple):
        assert all(CANARY not in _text(problem) for problem in result), result


@pytest.mark.parametrize(("kind", "variant"), MINIMAL)
def test_unknown_fields_are_never_repeated(kind: str, variant: str) -> None:
    for value in SHAPES:
        _silent(kind, minimal(kind, variant, unknown_field=value))
        _silent(kind, minimal(kind, variant, labels=value))
        _silent(kind, minimal(kind, variant, description=value))


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=True)
    | st.floats()
    | st.text(max_size=20)
    | st.just(CANARY)
    | st.sampled_from(
        ["1_0", "no", "1:30", "vault://a/b#c", "env://A", "https://x.example", "SELECT :a", "/v1/{a}", "sha256:"]
    )
)
FIELDS = {name for kind in KINDS.values() for model in kind.variants.values() for name in fields_of(model)}
MORE = {"plain", "token", "key", "in", "name", "min", "items", "default", "enum", "pattern", "properties", "$ref", ""}
KEYS = st.sampled_from(sorted(FIELDS | MORE)) | st.text(max_size=5)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(KINDS)), JSON)
def test_parse_never_raises_and_never_repeats(kind: str, raw: Any) -> None:
    _try(kind, raw)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(MINIMAL)), st.dictionaries(KEYS, JSON, min_size=1, max_size=4))
def test_parse_never_raises_near_a_valid_body(which: tuple[str, str], more: dict[str, Any]) -> None:
    _try(which[0], {**MINIMAL[which], **more})


def _try(kind: str, raw: Any) -> None:
    result = parse(KINDS[kind], raw, address(kind))
    if isinstance(result, tuple):
        assert result
        for problem in result:
            public = is_public(KINDS[kind], raw, problem.path)
            assert public or CANARY not in _text(problem)
            assert problem.message
    else:
        resource = resource_of(address(kind), result)
        assert isinstance(parse(KINDS[kind], resource.body, address(kind)), type(result))
        assert list(KINDS[kind].check(resource, {resource.address: resource}.get)) is not None
        assert resource.digest


def test_a_decimal_is_never_repeated_from_a_private_field() -> None:
    for value in (12345678, Decimal("12345.678"), True):
        result = parse(KINDS["connector"], minimal("connector", "sql", password=value), address("connector"))
        assert isinstance(result, tuple)
        assert all(str(value) not in _text(problem) for problem in result)
