"""What a plan leaves as it is and what depends on something that it changes."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.plan.convert import believed, to_document
from reconciler.planner import dependants
from tests.planner.support import SQL, World, at, plan, wish

DATASOURCE: dict[str, Any] = {"type": "database", "connector": "a", "tables": ["public.t"]}
TEMPLATE: dict[str, Any] = {"type": "sql", "datasource": "b", "sql": "SELECT 1 FROM public.t"}
LIMIT: dict[str, Any] = {"target": "template/c", "per": "hour", "requests": 5}
CHAIN = {"connector/a": SQL, "datasource/b": DATASOURCE, "template/c": TEMPLATE, "limit/d": LIMIT, "connector/e": SQL}


def world() -> World:
    made = World()
    for entry, body in CHAIN.items():
        made.ours(entry, body)
    return made


def test_the_nearest_first_and_what_has_nothing_to_do_with_it_not_at_all() -> None:
    made = plan(wish({**CHAIN, "connector/a": {**SQL, "pool_size": 9}}), world())
    assert [(d.address, d.refers_to) for d in made.dependants] == [
        (at("datasource/b"), (at("connector/a"),)),
        (at("template/c"), (at("datasource/b"),)),
        (at("limit/d"), (at("template/c"),)),
    ]
    assert believed(to_document(made)).plan == made


def test_what_changes_itself_is_no_dependant() -> None:
    changed = {**CHAIN, "connector/a": {**SQL, "pool_size": 9}, "datasource/b": {**DATASOURCE, "tags": ["x"]}}
    assert [d.address for d in plan(wish(changed), world()).dependants] == [at("template/c"), at("limit/d")]


def test_without_changes_there_are_none() -> None:
    assert plan(wish(CHAIN), world()).dependants == ()


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependants, "MOST", 2)
    made = plan(wish({**CHAIN, "connector/a": {**SQL, "pool_size": 9}}), world())
    assert [d.address for d in made.dependants] == [at("datasource/b"), at("template/c")]
