"""Bodies held against a template's JSON Schema: paths, what was expected, and nothing of the value."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from reconciler.kinds.schema_engine import UnusableSchema, require_usable
from reconciler.kinds.template.body import body_fault
from reconciler.kinds.template.json_schema import schema_faults
from reconciler.model.target import Unfit

CASES: list[tuple[Any, Any, str, str]] = [
    ({"type": "object"}, 1, "body", "expected object"),
    ({"type": ["integer", "null"]}, 1.5, "body", "expected null or integer"),
    ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["x", 1]}, "body/a/1", "expected string"),
    ({"required": ["a"]}, {}, "body", "`a` is missing"),
    ({"additionalProperties": {"type": "string"}}, {"CANARY": 1}, "body/*", "expected string"),
    ({"additionalProperties": False}, {"CANARY": 1}, "body", "a key is not declared, and no other keys are allowed"),
    ({"enum": [1, 2]}, "CANARY", "body", "expected one of the values in `enum`"),
    ({"const": 1}, "CANARY", "body", "expected the value of `const`"),
    ({"minimum": 0}, -5, "body", "expected at least 0"),
    ({"maximum": 10}, 10**30, "body", "expected at most 10"),
    ({"maximum": 10}, Decimal("12345678901234567.89"), "body", "expected at most 10"),
    ({"exclusiveMinimum": 0}, 0, "body", "expected more than 0"),
    ({"exclusiveMaximum": 0}, 0, "body", "expected less than 0"),
    ({"multipleOf": 5}, 7, "body", "expected a multiple of 5"),
    ({"minLength": 2}, "C", "body", "expected at least 2 characters"),
    ({"maxLength": 2}, "CANARY", "body", "expected at most 2 characters"),
    ({"minItems": 1}, [], "body", "expected at least 1 items"),
    ({"maxItems": 1}, [1, 2], "body", "expected at most 1 items"),
    ({"minProperties": 1}, {}, "body", "expected at least 1 keys"),
    ({"maxProperties": 0}, {"CANARY": 1}, "body", "expected at most 0 keys"),
    ({"pattern": "^a+$"}, "CANARY", "body", "expected text that matches ^a+$"),
    ({"uniqueItems": True}, [1, 1], "body", "expected items that differ from each other"),
    ({"anyOf": [{"type": "string"}]}, 1, "body", "expected one of the forms in `anyOf`"),
    ({"oneOf": [{}, {}]}, 1, "body", "expected exactly one of the forms in `oneOf`"),
    ({"not": {}}, 1, "body", "this has the form that `not` excludes"),
    ({"contains": {"type": "string"}}, [1], "body", "no item has the form in `contains`"),
    ({"propertyNames": {"maxLength": 1}}, {"CANARY": 1}, "body", "the name of a key is not allowed"),
    ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "body", "`b` is missing"),
    (False, 1, "body", "this is not what the schema of the body says"),
]


@pytest.mark.parametrize(("schema", "body", "path", "message"), CASES)
def test_faults(schema: Any, body: Any, path: str, message: str) -> None:
    assert [*schema_faults(schema, ())] == []
    assert body_fault(schema, body) == Unfit(path, message)


def test_exact_numbers_fit() -> None:
    for number in (10**30, Decimal("12345678901234567.89"), 0.1, True, None, 10**4000):
        assert body_fault({}, number) is None
    assert body_fault({"type": "integer"}, 10**30) is None


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:1/x", "file:///etc/passwd", "json-schema:///nowhere", "x.json"]
)
def test_nothing_is_fetched(reference: str) -> None:
    with pytest.raises(UnusableSchema):
        require_usable({"$ref": reference})


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(a{1000}){1000}"])
def test_only_patterns_that_match_in_linear_time(pattern: str) -> None:
    with pytest.raises(UnusableSchema):
        require_usable({"pattern": pattern})


def test_no_value_takes_long() -> None:
    began = time.perf_counter()
    assert body_fault({"pattern": "^(a|a)*$"}, "a" * 100_000 + "!") is not None
    assert body_fault({"items": {"type": "string"}}, [*range(100_000)]) is not None
    assert time.perf_counter() - began < 2
