"""What is depended upon comes first, deletions last and the other way round; the same changes, the same order."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds.table import KINDS
from reconciler.model.plan import Action, Change
from reconciler.planner.order import ordered

from .support import CUSTOM, HTTP, STABLE, World, at, body, plan, wish

CHAIN = {
    "connector/z": HTTP,
    "datasource/y": {"type": "api", "connector": "z"},
    "template/x": {"type": "http", "datasource": "y", "method": "GET", "path": "/v1"},
    "limit/w": {"target": "template/x", "concurrent": 1},
    "limit/a": {"target": "tenant", "concurrent": 1},
}


def _ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    listed = [*changes]
    needs = {
        change.address: [
            reference.address
            for reference in KINDS[change.address.kind].references_of(change.address.tenant, change.after or {})
        ]
        for change in listed
    }
    return ordered(listed, needs)


def _names(changes: tuple[Change, ...]) -> list[str]:
    return [f"{change.address.kind}/{change.address.name}" for change in changes]


def test_creations_follow_what_they_refer_to() -> None:
    assert _names(plan(wish(CHAIN), World()).changes) == [
        "connector/z",
        "limit/a",
        "datasource/y",
        "template/x",
        "limit/w",
    ]


def test_deletions_go_the_other_way() -> None:
    world = World()
    for entry, raw in CHAIN.items():
        world.ours(entry, raw)
    assert _names(plan(wish({}), world).changes) == ["limit/w", "template/x", "datasource/y", "connector/z", "limit/a"]


def test_deletions_and_forgets_come_last() -> None:
    world = World().ours("connector/a", CUSTOM).ours("connector/b", CUSTOM).ours("connector/c", CUSTOM)
    made = plan(wish({"connector/z": CUSTOM, "connector/c": HTTP}, let_go=["connector/b"]), world)
    assert _names(made.changes) == ["connector/c", "connector/z", "connector/a", "connector/b"]


def test_tenants_kinds_and_names_break_ties() -> None:
    entries = ["beta/connector/a", "acme/connector/b", "acme/connector/a", "acme/limit/a"]
    raws = {"connector": CUSTOM, "limit": {"target": "tenant", "concurrent": 1}}
    made = plan(wish({entry: raws[entry.split("/")[1]] for entry in entries}), World())
    assert [str(change.address) for change in made.changes] == [
        "acme/connector/a",
        "acme/connector/b",
        "acme/limit/a",
        "beta/connector/a",
    ]


@STABLE
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60), st.randoms(use_true_random=False))
def test_any_graph_in_any_order(edges: list[tuple[int, int]], shuffle: random.Random) -> None:
    """Also circles, which only rows that somebody changed by hand can form."""
    changes = []
    for low, high in edges:
        kind, other = ("limit", "limit") if low % 2 else ("datasource", "connector")
        target = {"target": f"limit/n{high}"} if kind == "limit" else {"connector": f"n{high}", "type": "custom"}
        changes.append(Change(at(f"{kind}/n{low}"), Action.CREATE, None, target))
        changes.append(Change(at(f"{other}/n{high}"), Action.CREATE, None, {"type": "custom"}))
    unique = {change.address: change for change in changes}
    mixed = list(unique.values())
    shuffle.shuffle(mixed)
    assert _ordered(mixed) == _ordered(unique.values())
    assert sorted(_ordered(mixed), key=id) == sorted(unique.values(), key=id)
    place = {change.address: index for index, change in enumerate(_ordered(mixed))}
    for change in unique.values():
        if change.address.kind == "datasource" and change.after:
            assert place[at(f"connector/{change.after['connector']}")] < place[change.address]


def test_a_long_chain_takes_no_recursion() -> None:
    changes = [
        Change(at(f"limit/n{i}"), Action.CREATE, None, {"target": f"limit/n{i + 1}", "concurrent": 1})
        for i in range(3000)
    ]
    assert [change.address.name for change in _ordered(changes)] == [f"n{i}" for i in reversed(range(3000))]


def test_bodies_of_deleted_rows_that_do_not_parse() -> None:
    world = World().ours("connector/a", CUSTOM).put("connector/a", [1]).ours("connector/b", CUSTOM)
    assert _names(plan(wish({"connector/c": CUSTOM}), world).changes) == ["connector/c", "connector/a", "connector/b"]
    assert body("connector/a", CUSTOM)["type"] == "custom"
