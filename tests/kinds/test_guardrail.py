"""The kind `guardrail`: what it may look for, and which changes of it look for less."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.guardrail import BUILTIN
from reconciler.kinds.pattern_shape import MOST_WIDTH, shape_of
from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from reconciler.planner.risks import risks_of
from reconciler.runtime.guardrails.guard import BUILTIN as DETECTORS

from .support import body, found, minimal

PATTERN = {"type": "pattern", "builtin": ["credit_card", "iban"], "patterns": {"ticket": "T-[0-9]{6}"}}


def rail(**fields: Any) -> dict[str, Any]:
    return minimal("guardrail", "", **fields)


def test_every_builtin_has_a_detector() -> None:
    assert {*BUILTIN} == {*DETECTORS}


def test_the_page_of_the_contract_is_valid() -> None:
    raw = {
        "targets": {"names": ["integration/*", "route/*", "template/crm-*"]},
        "phases": ["input", "output"],
        "check": {
            "type": "pattern",
            "builtin": ["aws_key", "credit_card", "email", "iban", "phone", "private_key", "us_ssn"],
            "patterns": {},
        },
        "action": "redact",
        "priority": 10,
    }
    made = body("guardrail", raw)
    assert {key: made[key] for key in raw} == raw


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"targets": {"names": []}}, ("too-short", ("targets", "names"))),
        ({"phases": []}, ("too-short", ("phases",))),
        ({"check": {"type": "pattern"}}, ("missing-field", ("check", "builtin"))),
        ({"check": {"type": "size", "max_bytes": 1}}, ("conflicting-fields", ("action",))),
        (
            {"check": {"type": "cost", "max_usd": 1}, "action": "block", "phases": ["output"]},
            ("conflicting-fields", ("phases",)),
        ),
        (
            {"check": {"type": "models", "allow": ["a"]}, "action": "block", "phases": ["output"]},
            ("conflicting-fields", ("phases",)),
        ),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], fault: tuple[str, Any]) -> None:
    assert found("guardrail", rail(**fields)) == {fault}


@pytest.mark.parametrize(
    ("pattern", "phase", "is_valid"),
    [
        ("T-[0-9]{6}", "output", True),
        (r"\bT-[0-9]{1,20}\b", "output", True),
        ("T-[0-9]+", "output", False),
        ("T-[0-9]+", "input", True),
        ("^T-[0-9]$", "output", False),
        ("^T-[0-9]$", "input", True),
        (".{1,20}", "input", False),
        ("[^a]{2,9}", "input", False),
        ("(a|b){1,5000}x", "output", False),
        ("(?:[a-z]{1,100}){1,100}", "input", False),
        (r"(a)\1", "input", False),
        ("(?=a)b", "input", False),
    ],
)
def test_a_pattern_is_bounded(pattern: str, phase: str, is_valid: bool) -> None:
    raw = rail(check={"type": "pattern", "patterns": {"own": pattern}}, phases=[phase])
    assert (found("guardrail", raw) == set()) == is_valid


def test_the_widest_match_is_known() -> None:
    assert shape_of("a{3}(b|cd)?").width == 5
    assert shape_of("a" * (MOST_WIDTH + 1)).width is None
    assert shape_of("[a-c]x").characters is not None
    assert shape_of("(?i)a").characters is None


STRICT = rail(targets={"names": ["route/*", "template/*"]}, phases=["input", "output"], check=PATTERN, action="redact")


@pytest.mark.parametrize(
    ("change", "is_less"),
    [
        ({"targets": {"names": ["route/*"]}}, True),
        ({"targets": {"names": ["route/*", "template/*", "tool/*"]}}, False),
        ({"phases": ["input"]}, True),
        ({"action": "warn"}, True),
        ({"action": "block"}, False),
        ({"enabled": False}, True),
        ({"priority": 1}, False),
        ({"check": {**PATTERN, "builtin": ["iban"]}}, True),
        ({"check": {**PATTERN, "builtin": ["credit_card", "iban", "email"]}}, False),
        ({"check": {**PATTERN, "patterns": {}}}, True),
        ({"check": {**PATTERN, "patterns": {"ticket": "T-[0-9]{7}"}}}, True),
        ({"check": {"type": "size", "max_bytes": 1}, "action": "block"}, True),
    ],
)
def test_looking_for_less_is_a_risk(change: dict[str, Any], is_less: bool) -> None:
    assert risks(STRICT, {**STRICT, **change}) == ({"guardrail-removed"} if is_less else set())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "size", "max_bytes": 10}, {"type": "size", "max_bytes": 11}),
        ({"type": "cost", "max_usd": "0.5"}, {"type": "cost", "max_usd": "1"}),
        ({"type": "models", "allow": ["a"]}, {"type": "models", "allow": ["a", "b"]}),
    ],
)
def test_a_wider_bound_is_a_risk(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = (rail(check=check, action="block", phases=["input"]) for check in (before, after))
    assert risks(old, new) == {"guardrail-removed"}
    assert risks(new, old) == set()


def risks(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    bodies = (body("guardrail", raw) for raw in (before, after))
    return {*risks_of(Change(Address("acme", "guardrail", "x"), Action.UPDATE, *bodies))}
