"""Two bodies turned into fields: complete, minimal, in order, and true to JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from reconciler.diff.fields import Difference, differences
from reconciler.model.body import Body, canonical, drop, get, has, put

from .values import BODY, JSON, STABLE, frozen, without_empty_maps


def applied(before: Any, changes: list[Difference]) -> Any:
    """What the differences make of the body."""
    for change in changes:
        before = drop(before, change.path) if change.op == "remove" else put(before, change.path, change.after)
    return before


@STABLE
@given(BODY, BODY)
def test_there_are_none_exactly_where_json_is_equal(before: Body, after: Body) -> None:
    assert (list(differences(before, after)) == []) == (frozen(before) == frozen(after))


@STABLE
@given(JSON)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(differences(value, value)) == []


@STABLE
@given(BODY, BODY)
def test_applied_to_what_was_before_they_give_what_comes_after(before: Body, after: Body) -> None:
    """But for maps that hold nothing: a map that goes is told by its leaves, as if it stayed and were empty."""
    result = applied(before, list(differences(before, after)))
    assert frozen(without_empty_maps(result)) == frozen(without_empty_maps(after))


@STABLE
@given(BODY, BODY)
def test_each_is_true_of_both_sides(before: Body, after: Body) -> None:
    for path, op, old, new in differences(before, after):
        assert (
            op
            == {(True, True): "change", (False, True): "add", (True, False): "remove"}[
                has(before, path), has(after, path)
            ]
        )
        assert frozen(get(before, path)) == frozen(old)
        assert frozen(get(after, path)) == frozen(new)


@STABLE
@given(BODY, BODY)
def test_no_field_is_told_twice_or_within_another(before: Body, after: Body) -> None:
    paths = [change.path for change in differences(before, after)]
    assert paths == sorted(set(paths))
    assert not any(one != other and one == other[: len(one)] for one in paths for other in paths)


@STABLE
@given(BODY, BODY)
def test_the_other_way_round(before: Body, after: Body) -> None:
    turned = {"add": "remove", "remove": "add", "change": "change"}
    there = [(path, turned[op], new, old) for path, op, old, new in differences(before, after)]
    assert frozen([list(map(_listed, one)) for one in there]) == frozen(
        [list(map(_listed, one)) for one in differences(after, before)]
    )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@STABLE
@given(BODY, BODY)
def test_neither_side_is_changed(before: Body, after: Body) -> None:
    texts = canonical(before), canonical(after)
    list(differences(before, after))
    assert (canonical(before), canonical(after)) == texts


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": True}, [("change", ("a",))]),
        ({"a": [1]}, {"a": [True]}, [("change", ("a",))]),
        ({"a": 0}, {"a": False}, [("change", ("a",))]),
        ({"a": None}, {}, [("remove", ("a",))]),
        ({"a": None}, {"a": 0}, [("change", ("a",))]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": "1"}, {"a": 1}, [("change", ("a",))]),
        ({"a": {"b": 1}}, {"a": [1]}, [("change", ("a",))]),
        (
            {"a": {"b": 1}},
            {"a": {"b": 1, "c": {"d": 2, "e": {}}}},
            [("add", ("a", "c", "d")), ("add", ("a", "c", "e"))],
        ),
        ({"b": 1, "a": 1}, {}, [("remove", ("a",)), ("remove", ("b",))]),
        ({}, {"a": {}}, [("add", ("a",))]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("change", ("a",))]),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"y": 2, "x": 1}]}, []),
    ],
)
def test_examples(before: Body, after: Body, told: list[tuple[str, tuple[str, ...]]]) -> None:
    assert [(change.op, change.path) for change in differences(before, after)] == told
