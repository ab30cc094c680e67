"""Whether a body's JSON Schema is plausible."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kinds.template.json_schema import schema_faults

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _faults(schema: Any) -> set[tuple[str, Any]]:
    return {(fault.code, fault.path) for fault in schema_faults(schema, ())}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {
            "type": "object",
            "properties": {"a": {"type": ["string", "null"]}},
            "required": ["a"],
            "additionalProperties": False,
        },
        {"$schema": DRAFT, "$defs": {"x": {"type": "integer"}}, "$ref": "#/$defs/x"},
        {"properties": {"x-mcp-header": {"type": "string"}}},
        {"items": {"$ref": "#"}, "prefixItems": [{}, True], "minItems": 0, "uniqueItems": True},
        {"allOf": [{"minimum": 1}, {"multipleOf": 0.5}], "if": {}, "then": True, "not": False},
        {"type": "string", "pattern": "^[a-z]+$", "format": "email", "maxLength": 5, "enum": ["a"], "const": None},
        {"patternProperties": {"^x-": {}}, "x-anything": [1], "examples": [1], "default": {}},
    ],
)
def test_schemas(schema: Any) -> None:
    assert _faults(schema) == set()
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "code", "path"),
    [
        ([], "invalid-schema", ()),
        ({"type": "objekt"}, "invalid-schema", ("type",)),
        ({"type": []}, "invalid-schema", ("type",)),
        ({"type": ["string", 5]}, "invalid-schema", ("type",)),
        ({"properties": []}, "invalid-schema", ("properties",)),
        ({"properties": {"a": "string"}}, "invalid-schema", ("properties", "a")),
        ({"items": [{}]}, "invalid-schema", ("items",)),
        ({"anyOf": []}, "invalid-schema", ("anyOf",)),
        ({"anyOf": {"a": {}}}, "invalid-schema", ("anyOf",)),
        ({"anyOf": [{}, {"type": "x"}]}, "invalid-schema", ("anyOf", 1, "type")),
        ({"required": "a"}, "invalid-schema", ("required",)),
        ({"required": ["a", "a"]}, "invalid-schema", ("required",)),
        ({"minLength": -1}, "invalid-schema", ("minLength",)),
        ({"maxItems": "5"}, "invalid-schema", ("maxItems",)),
        ({"minimum": "5"}, "invalid-schema", ("minimum",)),
        ({"multipleOf": 0}, "invalid-schema", ("multipleOf",)),
        ({"pattern": "("}, "invalid-schema", ("pattern",)),
        ({"pattern": "(?=a)"}, "invalid-schema", ("pattern",)),
        ({"patternProperties": {"(": {}}}, "invalid-schema", ("patternProperties", "(")),
        ({"enum": []}, "invalid-schema", ("enum",)),
        ({"uniqueItems": 1}, "invalid-schema", ("uniqueItems",)),
        ({"title": 5}, "invalid-schema", ("title",)),
        ({"properties": {"a": {"x-mcp-header": "A"}}}, "invalid-schema", ("properties", "a", "x-mcp-header")),
        ({"$ref": "https://evil.example/x.json"}, "remote-ref", ("$ref",)),
        ({"$ref": "file:///etc/passwd"}, "remote-ref", ("$ref",)),
        ({"$ref": "other.json#/a"}, "remote-ref", ("$ref",)),
        ({"properties": {"a": {"$dynamicRef": "http://x"}}}, "remote-ref", ("properties", "a", "$dynamicRef")),
        ({"$ref": "#/$defs/missing"}, "invalid-schema", ("$ref",)),
        ({"$ref": 5}, "invalid-schema", ("$ref",)),
        ({"$id": "https://x.example"}, "invalid-schema", ("$id",)),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "invalid-schema", ("$schema",)),
    ],
)
def test_wrong_schemas(schema: Any, code: str, path: Any) -> None:
    assert _faults(schema) == {(code, path)}


def chain(length: int) -> dict[str, Any]:
    """Twice as many ways for each link."""
    links: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(length)}
    return {"$defs": {**links, f"d{length}": {}}, "$ref": "#/$defs/d0"}


def nested(levels: int, key: str = "not") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {key: found}
    return found


def row(length: int, ways: int) -> dict[str, Any]:
    """Each link refers to the next one by several names: a value has one of them at each place."""
    links: dict[str, Any] = {
        f"d{n}": {"properties": {f"p{way}": {"$ref": f"#/$defs/d{n + 1}"} for way in range(ways)}}
        for n in range(length)
    }
    return {"$defs": {**links, f"d{length}": {}}, "$ref": "#/$defs/d0"}


def again(*others: Any) -> dict[str, Any]:
    """A schema that refers to itself, and what else is met where it does."""
    return {"allOf": [{"properties": {"a": {"$ref": "#"}}}, *({"properties": {"a": one}} for one in others)]}


LIST: dict[str, Any] = {"items": {"$ref": "#/$defs/list"}}


BOTH = {"anyOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]}


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        (chain(22), "subschemas"),
        ({"allOf": [{}] * 2001}, "subschemas"),
        ({"allOf": [{"items": {"allOf": [{}] * 50}}] * 50}, "subschemas"),
        ({"allOf": [{"items": {"items": {"allOf": [{}] * 50}}}] * 50}, "subschemas"),
        (again(*[nested(20, "items")] * 100), "subschemas"),
        (nested(65), "levels"),
        ({"description": "x" * 262_144}, "bytes"),
        ({**again({"$ref": "#/$defs/list"}), "$defs": {"list": LIST}}, "itself"),
        ({"anyOf": [{"additionalProperties": {"$ref": "#"}}, {"properties": {"a": {"$ref": "#"}}}]}, "itself"),
        (BOTH, "itself"),
        ({"properties": {"a": {"$ref": "#"}}, "patternProperties": {"a": {"$ref": "#"}}}, "itself"),
        ({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}, "itself"),
        ({"$defs": {"d": {"properties": {"a": {"$ref": "#"}}}}, "allOf": [{"$ref": "#/$defs/d"}] * 2}, "itself"),
    ],
)
def test_what_costs_too_much(schema: Any, word: str) -> None:
    (fault,) = schema_faults(schema, ())
    assert (fault.code, fault.path) == ("invalid-schema", ())
    assert word in fault.message


@pytest.mark.parametrize(
    "schema",
    [
        chain(8),
        nested(64),
        nested(100, "items"),
        row(200, 3),
        again({"type": "object"}, nested(20, "items")),
        {"anyOf": [{"properties": {name: {"$ref": "#"}, "kind": {"const": name}}} for name in "abcdef"]},
        {"prefixItems": [{"$ref": "#"}], "items": {"$ref": "#"}},
        {"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}},
        {"properties": {"a": {"$ref": "#/$defs/list"}, "b": {"$ref": "#"}}, "$defs": {"list": LIST}},
        {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
        {"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}}]},
        {"$ref": "#"},
    ],
)
def test_what_stays_linear(schema: Any) -> None:
    assert _faults(schema) == set()


WORDS = [
    "type",
    "properties",
    "items",
    "anyOf",
    "required",
    "enum",
    "minLength",
    "minimum",
    "pattern",
    "$ref",
    "const",
    "not",
    "a",
]
VALUES = st.recursive(
    st.sampled_from(["string", "object", "#", "a", 5, -1, 0.5, True, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_whatever_passes_is_a_schema(schema: Any) -> None:
    if not _faults(schema):
        jsonschema.Draft202012Validator.check_schema(schema)
