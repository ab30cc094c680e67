"""The table of kinds, and what holds for every kind and variant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from reconciler.kinds.schema import Shape, fields_of
from reconciler.kinds.table import BY_PLURAL, KINDS, SPEC_VERSIONS
from reconciler.model.resource import resource_of

from .support import MINIMAL, address, body, spec

PLURALS = {
    "integration": "integrations",
    "connector": "connectors",
    "datasource": "datasources",
    "template": "templates",
    "route": "routes",
    "limit": "limits",
    "caller": "callers",
    "policy": "policies",
    "guardrail": "guardrails",
    "plane": "planes",
}
VARIANTS = [(kind.name, name, model) for kind in KINDS.values() for name, model in kind.variants.items()]


def test_the_kinds_stand_in_the_order_of_the_documentation() -> None:
    assert list(KINDS) == [*PLURALS]
    assert list(BY_PLURAL) == [*PLURALS.values()]
    assert all(BY_PLURAL[kind.plural] is kind for kind in KINDS.values())


def test_every_variant_has_a_smallest_body() -> None:
    assert set(MINIMAL) == {(kind, name) for kind, name, _ in VARIANTS}


@pytest.mark.parametrize(("kind", "variant"), MINIMAL)
def test_a_normalised_body_is_a_fixed_point(kind: str, variant: str) -> None:
    once = body(kind, MINIMAL[kind, variant])
    assert body(kind, once) == once


@pytest.mark.parametrize(("kind", "variant"), MINIMAL)
def test_explicit_paths_are_what_was_written(kind: str, variant: str) -> None:
    raw = MINIMAL[kind, variant]
    resource = resource_of(address(kind), spec(kind, raw))
    assert {path[0] for path in resource.explicit} == set(raw)


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    pending = list(fields_of(model).values())
    while pending:
        shape: Shape = pending.pop()
        if shape.part is not None:
            yield from _models(shape.part)
        pending += [*shape.members.values(), *shape.either, *filter(None, (shape.items, shape.values))]


@pytest.mark.parametrize(("kind", "variant", "model"), VARIANTS)
def test_every_field_is_described(kind: str, variant: str, model: type[BaseModel]) -> None:
    for part in _models(model):
        for name, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{name}"
            assert len(field.description) >= 7


def _unbounded(schema: Any, path: str = "") -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _unbounded(item, path)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type") if isinstance(schema.get("type"), str) else None
    fixed = "const" in schema or "enum" in schema
    if kind == "string" and not fixed and "maxLength" not in schema:
        yield path + ": text"
    if kind in {"integer", "number"} and not {"minimum", "maximum"} <= set(schema):
        yield path + ": number"
    if kind == "array" and "maxItems" not in schema:
        yield path + ": list"
    for key, value in schema.items():
        if key not in {"propertyNames"}:
            yield from _unbounded(value, f"{path}.{key}")


# bounded by their own validators, which a JSON Schema does not show
KNOWN = (
    *("extent", "config", "options", "default", "enum", "min", "max", "body", "cost_usd", "max_usd"),
    *("filter", "payload", "top_k", "id", "ids"),
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_identity_fields_exist(kind: Any) -> None:
    fields = {name for model in kind.variants.values() for name in fields_of(model)}
    assert set(kind.identity) <= fields
    assert all(ref.path[0] in fields for ref in kind.references)
    assert kind.discriminator is None or kind.discriminator in kind.identity


def test_the_table_says_what_the_kinds_say() -> None:
    assert {kind.name: kind.spec_version for kind in KINDS.values()} == SPEC_VERSIONS
    assert [(plural, kind.name) for plural, kind in BY_PLURAL.items()] == [(k.plural, k.name) for k in KINDS.values()]
