"""Two lists turned into what went and what came."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff.items import item_changes

from .values import JSON, STABLE, frozen

LISTS = st.lists(JSON, max_size=6)


def _count(items: Any) -> Counter[Any]:
    return Counter(map(frozen, items))


@STABLE
@given(LISTS, LISTS)
def test_what_went_and_came_is_the_whole_difference(before: list[Any], after: list[Any]) -> None:
    changes = item_changes(before, after)
    went = _count(change.item for change in changes if change.op == "remove")
    came = _count(change.item for change in changes if change.op == "add")
    assert went == _count(before) - _count(after)
    assert came == _count(after) - _count(before)


@STABLE
@given(st.lists(JSON, max_size=6).flatmap(lambda items: st.tuples(st.just(items), st.permutations(items))))
def test_another_order_is_no_change(lists: tuple[list[Any], list[Any]]) -> None:
    assert item_changes(*lists) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([f"x{i}" for i in range(12)], ["y"], [("remove", f"x{i}") for i in range(12)] + [("add", "y")]),
        (["a", "a", "b"], ["a"], [("remove", "a"), ("remove", "b")]),
        (["a"], ["a", "a", "c", "a"], [("add", "a"), ("add", "c"), ("add", "a")]),
        ([1], [True], [("remove", 1), ("add", True)]),
        ([1], [1.0], []),
        ([[1, 2]], [[2, 1]], [("remove", [1, 2]), ("add", [2, 1])]),
        (
            [{"port": 1, "cidr": "x"}],
            [{"cidr": "x", "port": 2}],
            [("remove", {"port": 1, "cidr": "x"}), ("add", {"cidr": "x", "port": 2})],
        ),
        ([], [], []),
        ([], [None, {}], [("add", None), ("add", {})]),
    ],
)
def test_examples(before: list[Any], after: list[Any], told: list[tuple[str, Any]]) -> None:
    """What went, then what came, each in its list's order."""
    assert [(change.op, change.item) for change in item_changes(before, after)] == told
