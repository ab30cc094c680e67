"""Policies: what they may say."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from reconciler.planner.risks import risks_of

from .support import body, found, minimal

ALLOW = {
    "effect": "allow",
    "subjects": {"roles": ["analyst"]},
    "actions": ["query"],
    "targets": {"names": ["template/sales-*"], "labels": {"team": "sales"}},
}
DENY = ALLOW | {"effect": "deny"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"effect": "Allow"}, ("invalid-choice", ("effect",))),
        ({"subjects": {}}, ("missing-field", ("subjects", "callers"))),
        ({"subjects": {"callers": ["a b"]}}, ("invalid-pattern", ("subjects", "callers"))),
        ({"subjects": {"role": ["a"]}}, ("unknown-field", ("subjects", "role"))),
        ({"targets": {}}, ("missing-field", ("targets", "names"))),
        ({"targets": {"names": ["sales"]}}, ("invalid-pattern", ("targets", "names"))),
        ({"targets": {"names": ["caller/x"]}}, ("invalid-pattern", ("targets", "names"))),
        ({"targets": {"classification": ["secret"]}}, ("invalid-choice", ("targets", "classification"))),
        ({"actions": []}, ("too-short", ("actions",))),
        ({"actions": ["delete"]}, ("invalid-choice", ("actions", 0))),
        ({"condition": "hour < 18"}, ("unknown-field", ("condition",))),
    ],
)
def test_wrong_policies(fields: dict[str, Any], problem: tuple[str, Any]) -> None:
    codes = {
        (code, path[:2] if len(path) > 2 else path) for code, path in found("policy", minimal("policy", "", **fields))
    }
    assert problem in codes


def risks(before: dict[str, Any] | None, after: dict[str, Any] | None) -> set[str]:
    old, new = (None if raw is None else body("policy", raw) for raw in (before, after))
    action = Action.UPDATE if old and new else Action.CREATE if new else Action.DELETE
    return {*risks_of(Change(Address("acme", "policy", "x"), action, old, new))} - {"deletes"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ALLOW),
        (DENY, None),
        (DENY, ALLOW),
        (ALLOW, ALLOW | {"subjects": "any"}),
        (DENY, DENY | {"targets": "any"}),
    ],
)
def test_no_field_of_a_policy_tells_what_it_widens(before: Any, after: Any) -> None:
    """Access is compared before and after: see tests/access/test_effects.py."""
    assert risks(before, after) == set()
