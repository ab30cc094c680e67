"""Planes, and what templates say for callers: actions, the names of tools, values from who calls."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.template.action import action_of

from .support import body, checked, found, minimal

SALES = {"type": "database", "connector": "warehouse"}
QUERY = {"type": "sql", "datasource": "sales", "sql": "SELECT 1"}
PLANE = {"datasources": ["sales"], "actions": {"query": "template/top"}}


def codes(plane: dict[str, Any], template: dict[str, Any]) -> set[str]:
    return {
        problem.code for problem in checked("plane", "p", plane_p=plane, template_top=template, datasource_sales=SALES)
    }


def test_what_fits() -> None:
    assert codes(PLANE, QUERY) == set()
    assert codes(PLANE | {"actions": {"search": "template/top"}}, QUERY | {"action": "search"}) == set()


@pytest.mark.parametrize(
    ("plane", "template", "code"),
    [
        ({"actions": {"write": "template/top"}}, {}, "action-mismatch"),
        ({}, {"read_only": False}, "action-mismatch"),
        ({}, {"datasource": "other"}, "not-in-plane"),
        ({"actions": {"query": "connector/warehouse"}}, {}, "invalid-target"),
    ],
)
def test_what_does_not(plane: dict[str, Any], template: dict[str, Any], code: str) -> None:
    assert codes(PLANE | plane, QUERY | template) == {code}


@pytest.mark.parametrize(
    ("template", "action"),
    [
        (QUERY, "query"),
        (QUERY | {"read_only": False}, "write"),
        (QUERY | {"action": "list"}, "list"),
        (minimal("template", "http"), "retrieve"),
        (minimal("template", "http", method="HEAD"), "retrieve"),
        (minimal("template", "http", method="POST"), "write"),
        (minimal("template", "http", method="OPTIONS"), "write"),
        (minimal("template", "http", action="search"), "search"),
    ],
)
def test_the_action_follows_from_the_template(template: dict[str, Any], action: str) -> None:
    assert action_of(body("template", template)) == action


@pytest.mark.parametrize(
    "raw", [{"type": "sql"}, {"type": "http"}, {}, {"type": "sql", "read_only": "yes", "action": "list"}]
)
def test_what_is_no_template_writes(raw: dict[str, Any]) -> None:
    assert action_of(raw) == "write"


@pytest.mark.parametrize(
    "template",
    [QUERY | {"read_only": False, "action": "list"}, minimal("template", "http", method="PUT", action="search")],
)
def test_what_writes_is_not_called_otherwise(template: dict[str, Any]) -> None:
    assert ("conflicting-fields", ("action",)) in found("template", template)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("top_customers", True),
        ("TopCustomers", True),
        ("top-customers", False),
        ("a__b", False),
        ("a b_", False),
        ("x_" * 33, False),
    ],
)
def test_names_of_tools_are_no_other_template_s(name: str, fits: bool) -> None:
    assert (found("template", QUERY | {"tool_name": name}) == set()) is fits


@pytest.mark.parametrize("origin", ["claims.sub", "claims.https://x/y", "caller.name"])
def test_values_from_who_calls(origin: str) -> None:
    raw = QUERY | {"sql": "SELECT :me", "parameters": {"me": {"type": "string", "from": origin}}}
    assert body("template", raw)["parameters"]["me"]["from"] == origin


@pytest.mark.parametrize(
    ("parameter", "path"),
    [
        ({"from": "tenant"}, "from"),
        ({"from": "claims."}, "from"),
        ({"from": "caller.name", "default": "x"}, "default"),
        ({"from": "caller.name", "nullable": True}, "nullable"),
    ],
)
def test_values_that_nobody_can_vouch_for(parameter: dict[str, Any], path: str) -> None:
    raw = QUERY | {"sql": "SELECT :me", "parameters": {"me": {"type": "string", **parameter}}}
    assert {problem[1][-1] for problem in found("template", raw)} == {path}
