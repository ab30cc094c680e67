"""Compares two lists item by item, for those who show a changed list to a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.body import canonical


class ItemChange(NamedTuple):
    """A run of items at one place of the list: ``op`` is keep, remove or add. A changed or moved item is removed and added."""

    op: str
    items: list[Any]


def item_changes(before: list[Any], after: list[Any]) -> Iterator[ItemChange]:
    """Return the runs in the list's order: without what was removed they give ``after``, without what was added ``before``."""
    went, came = _different([*map(text_of, before)], [*map(text_of, after)])
    i = j = 0
    while i < len(before) or j < len(after):
        removed = _run(i, len(before), went.__contains__)
        added = _run(j, len(after), came.__contains__)
        if removed:
            yield ItemChange("remove", before[i : i + removed])
        if added:
            yield ItemChange("add", after[j : j + added])
        i, j = i + removed, j + added
        kept = min(_run(i, len(before), lambda at: at not in went), _run(j, len(after), lambda at: at not in came))
        if kept:
            yield ItemChange("keep", before[i : i + kept])
        i, j = i + kept, j + kept


def moved(changes: Iterable[ItemChange]) -> Counter[str]:
    """Count the items that were removed in one place and added in another, by their canonical text."""
    went, came = Counter[str](), Counter[str]()
    for op, items in changes:
        if op != "keep":
            (went if op == "remove" else came).update(map(text_of, items))
    return went & came


def _different(before: list[str], after: list[str]) -> tuple[set[int], set[int]]:
    """Return the places of the items that one list has and the other does not have there."""
    from deepdiff import DeepDiff

    # items are canonical texts: of values DeepDiff takes True for 1
    found = DeepDiff(before, after, view="tree", threshold_to_diff_deeper=0)
    changed = [*found.get("values_changed", ())]
    went = [*found.get("iterable_item_removed", ()), *changed]
    came = found.get("iterable_item_added", ())
    return (
        {node.path(output_format="list")[-1] for node in went},
        {node.path(output_format="list")[-1] for node in came}
        | {node.path(output_format="list", use_t2=True)[-1] for node in changed},
    )


def _run(start: int, end: int, holds: Callable[[int], bool]) -> int:
    """Return how many places from ``start`` on hold."""
    return next((at - start for at in range(start, end) if not holds(at)), end - start)


def text_of(item: Any) -> str:
    """Return an item's canonical text: equal for values that are equal in JSON, also for 1 and 1.0."""
    return canonical(_plain(item))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
