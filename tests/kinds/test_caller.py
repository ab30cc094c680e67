"""Callers: how they prove who they are, and what a change of that risks."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from reconciler.planner.risks import risks_of

from .support import body, found, minimal

JWT = {"issuer": "corp", "claims": {"azp": "bot"}}


def risks(before: dict[str, Any] | None, after: dict[str, Any] | None) -> set[str]:
    old, new = (None if raw is None else body("caller", raw) for raw in (before, after))
    action = Action.UPDATE if old and new else Action.CREATE if new else Action.DELETE
    return {*risks_of(Change(Address("acme", "caller", "x"), action, old, new))} - {"deletes"}


def test_the_whole_form() -> None:
    roles_from = {"claim": "groups", "map": {"crm": "analyst"}}
    raw = {"roles": ["b", "a"], "auth": {"api_key": {"max_age_days": 30}, "jwt": {**JWT, "roles_from": roles_from}}}
    made = body("caller", raw)
    assert made["roles"] == ["a", "b"]
    assert made["auth"] == raw["auth"]
    assert made["enabled"] is True


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"auth": {}}, ("missing-field", ("auth", "api_key"))),
        ({"auth": {"api_key": {"max_age_days": 0}}}, ("out-of-range", ("auth", "api_key", "max_age_days"))),
        ({"auth": {"api_key": {"key": "rk_x"}}}, ("unknown-field", ("auth", "api_key", "key"))),
        ({"auth": {"jwt": {"issuer": "corp", "claims": {}}}}, ("too-short", ("auth", "jwt", "claims"))),
        ({"auth": {"jwt": {"issuer": "https://x", "claims": {"a": "b"}}}}, ("invalid-name", ("auth", "jwt", "issuer"))),
        ({"roles": ["a", "a"]}, ("duplicate-item", ("roles",))),
    ],
)
def test_wrong_callers(fields: dict[str, Any], problem: tuple[str, Any]) -> None:
    assert problem in found("caller", minimal("caller", "", **fields))


KEY = {"auth": {"api_key": {"max_age_days": 30}}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, KEY, set()),
        (KEY, None, set()),
        (KEY, KEY | {"description": "x"}, set()),
        (KEY, KEY | {"roles": ["admin"]}, set()),
        (KEY | {"roles": ["admin"]}, KEY, set()),
        (KEY, {"auth": {**KEY["auth"], "jwt": JWT}}, {"credential-changed"}),
        (KEY, {"auth": {"api_key": {"max_age_days": 31}}}, {"credential-changed"}),
        (
            {"auth": {"jwt": JWT}},
            {"auth": {"jwt": {**JWT, "claims": {"azp": "bot", "x": "y"}}}},
            {"credential-changed"},
        ),
        (
            {"auth": {"jwt": {**JWT, "claims": {"azp": "bot", "x": "y"}}}},
            {"auth": {"jwt": JWT}},
            {"credential-changed"},
        ),
        (KEY | {"enabled": False}, KEY, set()),
        (KEY, KEY | {"enabled": False}, set()),
    ],
)
def test_risks(before: Any, after: Any, expected: set[str]) -> None:
    """By its own fields: who may do more is judged by comparing access."""
    assert risks(before, after) == expected


def test_no_field_takes_a_secret() -> None:
    """Keys are issued, and are status: nothing in a caller's body can hold one."""
    assert not KINDS["caller"].references
    assert ("unknown-field", ("auth", "secret")) in found("caller", {"auth": {"secret": "rk_abc"}})
