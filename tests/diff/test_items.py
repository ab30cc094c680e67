"""Two lists turned into what went and what came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff.items import ItemChange, item_changes
from reconciler.diff.visible import visible_items

from .values import JSON, STABLE, frozen

LISTS = st.lists(JSON, max_size=6)


def _lists(changes: Iterable[ItemChange]) -> tuple[list[Any], list[Any]]:
    runs = [*changes]
    return (
        [frozen(item) for op, items in runs if op != "add" for item in items],
        [frozen(item) for op, items in runs if op != "remove" for item in items],
    )


@STABLE
@given(LISTS, LISTS)
def test_both_lists_can_be_read_from_it(before: list[Any], after: list[Any]) -> None:
    assert _lists(item_changes(before, after)) == ([*map(frozen, before)], [*map(frozen, after)])


@STABLE
@given(
    st.lists(JSON, max_size=6, unique_by=frozen).flatmap(
        lambda items: st.tuples(st.just(items), st.permutations(items))
    )
)
def test_another_order_is_a_change(lists: tuple[list[Any], list[Any]]) -> None:
    """The order of arguments means something, and a diff that names no item hides the whole change."""
    before, after = lists
    assert any(op != "keep" for op, _ in item_changes(before, after)) == (before != after)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([f"x{i}" for i in range(12)], ["y"], [("remove", [f"x{i}" for i in range(12)]), ("add", ["y"])]),
        (["a", "a", "b"], ["a"], [("keep", ["a"]), ("remove", ["a", "b"])]),
        (["a", "b", "c"], ["b", "c", "a"], [("remove", ["a"]), ("keep", ["b", "c"]), ("add", ["a"])]),
        ([1], [True], [("remove", [1]), ("add", [True])]),
        ([1], [1.0], [("keep", [1])]),
        ([[1, 2]], [[2, 1]], [("remove", [[1, 2]]), ("add", [[2, 1]])]),
        ([], [], []),
        ([], [None, {}], [("add", [None, {}])]),
    ],
)
def test_examples(before: list[Any], after: list[Any], told: list[tuple[str, Any]]) -> None:
    assert [*item_changes(before, after)] == told


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (["a", "b", "c"], ["b", "c", "a"], [("-", '"a"', "moved"), ("", "2 items", ""), ("+", '"a"', "moved")]),
        (["a", "b"], ["c", "x"], [("-", '"a"', ""), ("-", '"b"', ""), ("+", '"c"', ""), ("+", '"x"', "")]),
        ([1, "b"], ["b", True], [("-", "1", ""), ("-", '"b"', "moved"), ("+", '"b"', "moved"), ("+", "true", "")]),
        # of two equal items one is elsewhere and one is gone
        (["a", "a", *"bcdef"], [*"bcdef", "a"], [("-", '"a"', "moved"), ("-", '"a"', ""), ("", "5 items", ""), ("+", '"a"', "moved")]),
    ],
)  # fmt: skip
def test_moved_items_are_called_so(before: list[Any], after: list[Any], shown: list[tuple[str, str, str]]) -> None:
    assert [*visible_items(before, after)] == shown
