"""An export in place of a database: what would change against it, and files that are no exports."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import IntegrityFailed, Refused
from reconciler.planner.against import live_of_export
from reconciler.planner.make import Setting, make_plan

from .support import CUSTOM, HTTP, SQL, TODAY, body, causes, change, told, wish

A = "connector/a"


def _export(**changes: Any) -> dict[str, Any]:
    resources = {"acme/connector/a": body(A, {**SQL, "max_rows": 5})}
    return {"format_version": "1.0", "project": "shop", "environment": None, "resources": resources, **changes}


def _plan(wanted: dict[str, Any]) -> Any:
    return make_plan(wish(wanted), live_of_export(_export(), "shop"), Setting("an export", TODAY, "1.0"))


def test_what_was_exported_is_no_change() -> None:
    made = _plan({A: {**SQL, "max_rows": 5}})
    assert made.changes == ()
    assert made.outside == ()
    assert made.owned == 1


def test_changes_are_those_of_the_files() -> None:
    """Also of a field that is no longer written: which of them were defaults, an export does not say."""
    made = _plan({A: {**SQL, "pool_size": 9}, "connector/b": HTTP})
    assert told(made) == {A: "update", "connector/b": "create"}
    assert {name: cause.value for name, cause in causes(change(made, A)).items()} == {
        "max_rows": "configuration",
        "pool_size": "configuration",
    }
    assert told(_plan({})) == {A: "delete"}


def _deep() -> Any:
    value: Any = 1
    for _ in range(400):
        value = [value]
    return value


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        "text",
        _export(format_version="2.0"),
        _export(resources=[]),
        _export(moved={"acme/connector/a": ["moved"]}),
        _export(moved=[]),
        _export(resources={"acme/connector": {}}),
        _export(resources={"acme/agent/a": {}}),
        _export(resources={"acme/connector/a": [1]}),
        _export(resources={"acme/connector/a": {"x": _deep()}}),
    ],
)
def test_what_is_no_export(document: Any) -> None:
    with pytest.raises(IntegrityFailed):
        live_of_export(document, "shop")


def test_another_projects_export() -> None:
    with pytest.raises(Refused):
        live_of_export(_export(project="other"), "shop")


def test_entries_that_are_done_stay_done() -> None:
    """A shift that stays in git: the export says which entries its rows have seen."""
    moved = [("connector/x", "connector/a"), ("connector/a", "connector/b")]
    seen = {"acme/connector/a": [["moved", "x"], ["moved", "to", "b"]], "acme/connector/b": [["moved", "a"]]}
    both = {"acme/connector/a": body("connector/a", CUSTOM), "acme/connector/b": body("connector/b", CUSTOM)}
    wanted = wish({"connector/a": CUSTOM, "connector/b": CUSTOM}, moved=moved)
    setting = Setting("an export", TODAY, "1.0")
    assert make_plan(wanted, live_of_export(_export(resources=both, moved=seen), "shop"), setting).changes == ()
    with pytest.raises(Refused):
        make_plan(
            wanted, live_of_export(_export(resources={"acme/connector/b": both["acme/connector/b"]}), "shop"), setting
        )
