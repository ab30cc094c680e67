"""Parameters: types, bounds, and whether they agree."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from .support import body, found, minimal, one

UUID = "123e4567-e89b-12d3-a456-426614174000"


def _raw(parameter: Any) -> dict[str, Any]:
    return minimal("template", "sql", sql="SELECT :p", parameters={"p": parameter})


def _found(parameter: Any) -> Any:
    """Codes with paths below the parameter."""
    assert all(path[:2] == ("parameters", "p") for _, path in found("template", _raw(parameter)))
    return {(code, path[2:]) for code, path in found("template", _raw(parameter))}


@pytest.mark.parametrize(
    "parameter",
    [
        {"type": "string"},
        {"type": "string", "max_length": 20, "pattern": "[a-z]+", "default": "eu"},
        {"type": "string", "enum": ["eu", "us"], "default": "us"},
        {"type": "string", "default": ""},
        {"type": "integer", "min": 1, "max": 100, "default": 10},
        {"type": "integer", "enum": [1, 2, 3]},
        {"type": "number", "min": Decimal("0.5"), "max": 1, "default": Decimal("0.75")},
        {"type": "number", "default": 1},
        {"type": "boolean", "default": False},
        {"type": "date", "default": "2025-02-28"},
        {"type": "timestamp", "default": "2025-02-28T10:00:00Z"},
        {"type": "timestamp", "default": "2025-02-28 10:00:00.5+02:00"},
        {"type": "uuid", "default": UUID},
        {"type": "array", "items": "string"},
        {"type": "array", "items": "integer", "default": [3, 1], "min": 1, "max": 3, "max_length": 2},
        {"type": "array", "items": "string", "enum": ["a", "b"], "default": ["b", "a", "b"]},
        {"type": "array", "items": "uuid", "default": []},
        {"type": "string", "nullable": True},
    ],
)
def test_parameters(parameter: dict[str, Any]) -> None:
    assert body("template", _raw(parameter))["parameters"]["p"].keys() >= parameter.keys()


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ({}, {("missing-field", ("type",))}),
        ({"type": "text"}, {("invalid-choice", ("type",))}),
        ({"type": "string[]"}, {("invalid-choice", ("type",))}),
        ({"type": "string", "required": True}, {("unknown-field", ("required",))}),
        ({"type": "array"}, {("missing-field", ("items",))}),
        ({"type": "array", "items": "array"}, {("invalid-choice", ("items",))}),
        ({"type": "string", "items": "string"}, {("conflicting-fields", ("items",))}),
        ({"type": "string", "min": 1}, {("conflicting-fields", ("min",))}),
        ({"type": "date", "max": 1}, {("conflicting-fields", ("max",))}),
        ({"type": "integer", "max_length": 5}, {("conflicting-fields", ("max_length",))}),
        ({"type": "integer", "pattern": "x"}, {("conflicting-fields", ("pattern",))}),
        ({"type": "integer", "min": 5, "max": 1}, {("out-of-range", ("min",))}),
        ({"type": "integer", "min": Decimal("0.5")}, {("parameter-mismatch", ("min",))}),
        ({"type": "integer", "min": "1"}, {("wrong-type", ("min",))}),
        ({"type": "integer", "min": True}, {("wrong-type", ("min",))}),
        ({"type": "integer", "max": 10**20}, {("number-range", ("max",))}),
        ({"type": "integer", "default": "10"}, {("parameter-mismatch", ("default",))}),
        ({"type": "integer", "default": True}, {("parameter-mismatch", ("default",))}),
        ({"type": "integer", "default": Decimal("1.5")}, {("parameter-mismatch", ("default",))}),
        ({"type": "integer", "default": 0, "min": 1}, {("parameter-mismatch", ("default",))}),
        ({"type": "integer", "default": 9, "max": 1}, {("parameter-mismatch", ("default",))}),
        ({"type": "integer", "default": 9, "enum": [1, 2]}, {("parameter-mismatch", ("default",))}),
        ({"type": "integer", "enum": [1, 9], "max": 5}, {("parameter-mismatch", ("enum",))}),
        ({"type": "integer", "enum": [1, "a"]}, {("parameter-mismatch", ("enum",))}),
        ({"type": "integer", "enum": []}, {("too-short", ("enum",))}),
        ({"type": "integer", "enum": [1, Decimal("1.0")]}, {("duplicate-item", ("enum",))}),
        ({"type": "integer", "enum": [[1]]}, {("wrong-type", ("enum", 0))}),
        ({"type": "boolean", "default": 1}, {("parameter-mismatch", ("default",))}),
        ({"type": "boolean", "default": "no"}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "default": 5}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "default": "abc", "max_length": 2}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "default": "ABC", "pattern": "[a-z]+"}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "default": "abcD", "pattern": "[a-z]+"}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "default": ["a"]}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "default": {"a": 1}}, {("wrong-type", ("default",))}),
        ({"type": "string", "default": None}, {("parameter-mismatch", ("default",))}),
        ({"type": "string", "pattern": "("}, {("invalid-pattern", ("pattern",))}),
        ({"type": "string", "pattern": "(?=a)b"}, {("invalid-pattern", ("pattern",))}),
        ({"type": "string", "pattern": r"(a)\1"}, {("invalid-pattern", ("pattern",))}),
        ({"type": "string", "pattern": "a)|(b"}, {("invalid-pattern", ("pattern",))}),
        ({"type": "date", "default": "2025-02-30"}, {("parameter-mismatch", ("default",))}),
        ({"type": "date", "default": "20250228"}, {("parameter-mismatch", ("default",))}),
        ({"type": "timestamp", "default": "2025-02-28"}, {("parameter-mismatch", ("default",))}),
        ({"type": "uuid", "default": "123"}, {("parameter-mismatch", ("default",))}),
        ({"type": "array", "items": "integer", "default": 5}, {("parameter-mismatch", ("default",))}),
        ({"type": "array", "items": "integer", "default": [1, "a"]}, {("parameter-mismatch", ("default", 1))}),
        (
            {"type": "array", "items": "integer", "default": [1, 2], "max_length": 1},
            {("parameter-mismatch", ("default",))},
        ),
        ({"type": "array", "items": "integer", "default": [[1]]}, {("wrong-type", ("default",))}),
        ("string", {("wrong-type", ())}),
    ],
)
def test_wrong_parameters(parameter: Any, expected: Any) -> None:
    assert _found(parameter) == expected


@pytest.mark.parametrize("name", ["Region", "a-b", "1a", "", "a b", "x" * 64, "é"])
def test_wrong_names(name: str) -> None:
    raw = minimal("template", "sql", parameters={name: {"type": "string"}})
    assert {path for _, path in found("template", raw)} == {("parameters", name)}


def test_one_form_per_number() -> None:
    first = body("template", _raw({"type": "number", "min": Decimal("1.0"), "max": 5, "enum": [Decimal("2.50"), 3]}))
    second = body("template", _raw({"type": "number", "min": 1, "max": Decimal("5.00"), "enum": [3, 2.5]}))
    assert first == second


def test_null_is_no_default() -> None:
    assert one("template", _raw({"type": "string", "default": None})).hint == "write `nullable: true`"


@pytest.mark.parametrize(
    ("given", "hint"), [("float", "number"), ("int", "integer"), ("datetime", "timestamp"), ("bool", "boolean")]
)
def test_types_of_others_have_near_names(given: str, hint: str) -> None:
    assert one("template", _raw({"type": given})).hint == f"did you mean `{hint}`?"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "([a-z]+)*!", "(x+x+)+y"])
def test_a_hostile_pattern_takes_no_time(pattern: str) -> None:
    start = time.perf_counter()
    found("template", _raw({"type": "string", "pattern": pattern, "default": "a" * 4000 + "x" * 90}))
    assert time.perf_counter() - start < 1
