"""Stories that random ones were found to hold, told by hand, on both databases: each ends, and nothing is left to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.errors import Refused
from reconciler.model.body import Body
from reconciler.model.configuration import Configuration
from tests.planner.support import CUSTOM, HTTP, SQL, at, told, wish

from .arena import Arena

A, B, C = "connector/a", "connector/b", "connector/c"
ONE, TWO = {**CUSTOM, "description": "one"}, {**CUSTOM, "description": "two"}
SWAP = [(A, B), (B, A)]


@pytest.fixture(params=["sqlite", "postgresql"])
def arena(request: pytest.FixtureRequest) -> Arena:
    made: Arena = request.getfixturevalue(request.param)
    made.reset()
    return made


def settle(arena: Arena, configuration: Configuration) -> dict[str, str]:
    """Plans and applies; returns what was done, and makes sure that nothing is left."""
    plan = arena.plan(configuration)
    assert plan.blockers == ()
    arena.apply(plan)
    assert arena.plan(configuration).changes == ()
    return told(plan)


def uids(arena: Arena) -> dict[str, str]:
    return {f"{kind}/{name}": uid for kind, name, uid in arena.sql("SELECT kind, name, uid FROM resources")}


def descriptions(arena: Arena, bodies: Mapping[str, Body]) -> dict[str, Any]:
    rows = arena.live(wish(bodies)).rows
    return {entry: rows[at(entry)].raw["description"] for entry in bodies}


def test_a_swap_with_a_replacement_of_the_same_body(arena: Arena) -> None:
    """What is to stand at a already looks as it does there now, and is another thing all the same."""
    settle(arena, wish({A: HTTP, B: SQL}))
    before = uids(arena)
    assert settle(arena, wish({A: HTTP, B: HTTP}, moved=SWAP)) == {A: "replace", B: "move"}
    after = uids(arena)
    assert after[B] == before[A]
    assert after[A] not in before.values()


def test_a_swap_that_stays_in_git(arena: Arena) -> None:
    settle(arena, wish({A: ONE, B: TWO}))
    before = uids(arena)
    swapped = wish({A: TWO, B: ONE}, moved=SWAP)
    assert settle(arena, swapped) == {A: "move", B: "move"}
    assert uids(arena) == {A: before[B], B: before[A]}
    changed = wish({A: {**TWO, "description": "three"}, B: ONE}, moved=SWAP)
    assert settle(arena, changed) == {A: "update"}
    assert uids(arena) == {A: before[B], B: before[A]}


def test_a_swap_that_a_new_environment_finds_in_git(arena: Arena) -> None:
    swapped = wish({A: TWO, B: ONE}, moved=SWAP)
    assert settle(arena, swapped) == {A: "create", B: "create"}
    before = uids(arena)
    assert settle(arena, wish({A: ONE, B: TWO}, moved=SWAP)) == {A: "update", B: "update"}
    assert uids(arena) == before


def test_a_shift_with_an_update_and_a_new_one_in_the_freed_place(arena: Arena) -> None:
    settle(arena, wish({A: ONE, B: TWO}))
    before = uids(arena)
    wanted = {B: {**ONE, "labels": {"x": "y"}}, C: TWO}
    assert settle(arena, wish(wanted, moved=[(A, B), (B, C)])) == {B: "update", C: "move"}
    assert uids(arena) == {B: before[A], C: before[B]}
    assert settle(arena, wish({**wanted, A: CUSTOM})) == {A: "create"}


def test_a_chain_through_a_name_that_was_deleted_by_hand(arena: Arena) -> None:
    settle(arena, wish({A: ONE, B: TWO}))
    before = uids(arena)
    arena.sql("DELETE FROM resources WHERE name = 'b'")
    assert settle(arena, wish({C: ONE}, moved=[(A, B), (B, C)])) == {C: "move", B: "forget"}
    assert uids(arena) == {C: before[A]}


def test_what_was_deleted_by_hand_and_is_not_wanted_is_forgotten_once(arena: Arena) -> None:
    settle(arena, wish({A: ONE}))
    arena.sql("DELETE FROM resources")
    assert settle(arena, wish({})) == {A: "forget"}
    assert arena.sql("SELECT count(*) FROM applied") == [(0,)]


def test_an_outside_change_that_the_files_accept(arena: Arena) -> None:
    settle(arena, wish({A: ONE}))
    text = "json_set(spec, '$.description', 'two')"
    if not arena.database.is_sqlite:
        text = "jsonb_set(spec, '{description}', '\"two\"')"
    arena.sql(f"UPDATE resources SET spec = {text}")
    before = arena.dump()["resources"]
    assert settle(arena, wish({A: TWO})) == {A: "adopt"}
    assert arena.dump()["resources"] == before
    assert settle(arena, wish({A: ONE})) == {A: "update"}


def test_taking_over_with_an_update_and_with_a_replacement(arena: Arena) -> None:
    arena.sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'connector', 'a', '{\"type\": \"custom\"}')"
    )
    arena.sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'connector', 'b', '{\"type\": \"custom\"}')"
    )
    before = uids(arena)
    with pytest.raises(Refused):
        arena.plan(wish({A: ONE, B: SQL}))
    assert settle(arena, wish({A: ONE, B: SQL}, adopt={A: None, B: None})) == {A: "update", B: "replace"}
    assert uids(arena)[A] == before[A]
    assert uids(arena)[B] != before[B]
    assert settle(arena, wish({}, let_go=[A, B])) == {A: "forget", B: "forget"}
    assert arena.sql("SELECT DISTINCT project FROM resources") == [(None,)]


def test_a_row_that_no_longer_parses_keeps_its_uid(arena: Arena) -> None:
    settle(arena, wish({A: ONE}))
    before = uids(arena)
    for broken in ("[1]", "{}", '{"type": "sq"}', "5", '"text"', "null"):
        arena.sql("UPDATE resources SET spec = ?" + ("" if arena.database.is_sqlite else "::jsonb"), [broken])
        assert settle(arena, wish({A: ONE})) == {A: "update"}
        assert descriptions(arena, {A: ONE}) == {A: "one"}
    assert uids(arena) == before


def test_a_record_of_what_is_gone_meets_no_reference(arena: Arena) -> None:
    """Whatever the plan says of it: an apply looks for the row, and the record that is dropped is none."""
    settle(arena, wish({A: ONE}))
    arena.sql("DELETE FROM resources")
    plan = arena.plan(wish({"datasource/d": {"type": "custom", "connector": "a"}}, external=["connector/a"]))
    assert told(plan) == {A: "forget", "datasource/d": "create"}
    assert [blocker.code for blocker in plan.blockers] == ["external-missing"]
    with pytest.raises(Refused):
        arena.apply(plan)
    assert arena.sql("SELECT count(*) FROM resources") == [(0,)]
