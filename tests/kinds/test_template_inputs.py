"""What the values of one call may cost to judge: a pattern, a set or a list that is slow stalls every other call."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

from reconciler.kinds.template.inputs import MOST_FAULTS, ParameterInputs
from reconciler.kinds.template.pattern import weight
from reconciler.model.target import Bound, Identity, NoClaim, Unfit
from tests.runtime.calls import resource

HEAVY = "[ab]*a[ab]{3000}c"
TEXT = "".join(Random(1).choice("ab") for _ in range(100_000))
BOT = Identity("bot", {})
BOUND_SECONDS = 8.0
"""What is bounded takes a tenth of a second, and what is not, ten or more."""


def inputs(parameters: dict[str, Any], body: Any = None) -> ParameterInputs:
    raw: dict[str, Any] = {"type": "http", "connector": "it", "method": "POST", "path": "/x", "parameters": parameters}
    raw["query"] = {name: f"{{{name}}}" for name in parameters}
    return ParameterInputs(resource("template", raw if body is None else {**raw, "body": body}).body)


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("abc", 3),
        ("[ab]{300}c", 301),
        ("(?:ab){10}x", 21),
        ("((a{2}){3}){4}", 24),
        ("a{2,}", 3),
        ("a{0,7}", 7),
        (r"[\]({]{5}", 5),
        ("[^]]{5}", 5),
        ("[]a]{3}", 3),
        ("[[:alpha:]]{7}", 7),
        (r"\p{L}{3}", 3),
        (r"\({4}", 4),
        ("(?:(a|b){3}|c){2}", 14),
        ("(?x)(?: ab # )\n c){3}", 9),
        ("(", 0),
    ],
)
def test_a_pattern_weighs_what_its_repetitions_say(pattern: str, least: int) -> None:
    assert least <= weight(pattern) <= 20 * max(least, 1)


@pytest.mark.parametrize(
    ("parameters", "body", "given"),
    [
        ({"x": {"type": "string", "pattern": HEAVY}}, None, {"x": TEXT}),
        ({"x": {"type": "array", "items": "string", "pattern": HEAVY}}, None, {"x": [TEXT[:500]] * 200}),
        ({}, {"type": "string", "pattern": HEAVY}, {"body": TEXT}),
        ({}, {"properties": {"a": {"items": {"pattern": HEAVY}}}}, {"body": {"a": [TEXT[:5000]] * 20}}),
        ({}, {"patternProperties": {HEAVY: {}}}, {"body": {TEXT: 1}}),
        ({}, {"$defs": {"x": {"pattern": HEAVY}}, "allOf": [{"$ref": "#/$defs/x"}] * 20}, {"body": TEXT[:5000]}),
    ],
)
def test_a_heavy_pattern_takes_little_text(parameters: dict[str, Any], body: Any, given: dict[str, Any]) -> None:
    begun = time.process_time()
    found = inputs(parameters, body).bind(given, BOT)
    assert found == (
        Unfit("arguments", "expected less text: holding it against the patterns here would take too long"),
    )
    assert time.process_time() - begun < BOUND_SECONDS


def test_a_claim_is_held_against_no_heavy_pattern() -> None:
    told = inputs({"x": {"type": "string", "pattern": HEAVY, "from": "claims.sub"}})
    with pytest.raises(NoClaim, match="less text"):
        told.bind({}, Identity("bot", {"sub": TEXT}))


def test_much_text_fits_a_light_pattern() -> None:
    told = inputs({"x": {"type": "array", "items": "string", "pattern": "[0-9a-f]{32}"}})
    assert isinstance(told.bind({"x": ["0" * 32] * 15_000}, BOT), Bound)


def test_a_long_list_is_held_against_a_long_set_at_once() -> None:
    """One by one, 100,000 items against 500 values stalled all agents for half a minute."""
    told = inputs({"x": {"type": "array", "items": "string", "enum": [f"v{number}" for number in range(500)]}})
    begun = time.process_time()
    assert isinstance(told.bind({"x": ["v499"] * 100_000}, BOT), Bound)
    assert time.process_time() - begun < BOUND_SECONDS


@pytest.mark.parametrize(("value", "fits"), [(1, True), (1.0, True), (True, False), (2, False)])
def test_a_set_tells_numbers_from_booleans(value: Any, fits: bool) -> None:
    assert isinstance(inputs({"x": {"type": "number", "enum": [1]}}).bind({"x": value}, BOT), Bound) == fits


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "a value is required"),
        ({"type": ["object", "null"]}, "a value is required"),
        ({"type": "object"}, "expected object"),
    ],
)
def test_a_body_is_required_as_the_schema_says(body: Any, message: str) -> None:
    told = inputs({}, body)
    assert "body" in told.schema["required"]
    assert told.bind({}, BOT) == (Unfit("body", message),)


def test_null_is_a_body() -> None:
    assert inputs({}, {}).bind({"body": None}, BOT) == Bound({}, None)


def test_faults_are_not_endless() -> None:
    found = inputs({}).bind({f"x{number}": 1 for number in range(5000)}, BOT)
    assert not isinstance(found, Bound)
    assert len(found) == MOST_FAULTS


@pytest.mark.parametrize(
    ("kind", "text", "fits"),
    [
        ("date", "2026-01-31", True),
        ("date", "2026-02-30", False),
        ("date", "2026-W01-1", False),
        ("date", "20260131", False),
        ("date", "٢٠٢٦-٠١-٠١", False),
        ("timestamp", "2026-01-31T10:00:00Z", True),
        ("timestamp", "2026-01-31 10:00:00.5+02:00", True),
        ("timestamp", "2026-01-31T10:00", True),
        ("timestamp", "9999-12-31T23:59:59-14:00", True),
        ("timestamp", "2026-01-31T10:00:00Z\0", False),
        ("timestamp", "2026-01-31T10:00:00\n", False),
        ("timestamp", "2026-W01-1T10:00", False),
        ("timestamp", "2026-01-31T25:00:00Z", False),
    ],
)
def test_dates_and_moments_are_what_the_schema_says(kind: str, text: str, fits: bool) -> None:
    assert isinstance(inputs({"x": {"type": kind}}).bind({"x": text}, BOT), Bound) == fits
