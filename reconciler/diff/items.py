"""Compares two lists item by item, for those who show a changed list to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.body import canonical


class ItemChange(NamedTuple):
    """One item that came (``op`` is add) or went (remove); a changed item is both."""

    op: str
    item: Any


def item_changes(before: list[Any], after: list[Any]) -> list[ItemChange]:
    """What went, then what came, each in its list's order; items that only moved are not named."""
    from deepdiff import DeepDiff

    # items as canonical texts: of values DeepDiff takes True for 1, and compares lists inside of items without order
    found = DeepDiff(
        [_text(item) for item in before],
        [_text(item) for item in after],
        ignore_order=True,
        report_repetition=True,
        view="tree",
        cutoff_intersection_for_pairs=0,
    )
    went = [*_indexes(found, "iterable_item_removed"), *_repeated(found, "old", "new")]
    came = [*_indexes(found, "iterable_item_added"), *_repeated(found, "new", "old")]
    return [
        *(ItemChange("remove", before[index]) for index in sorted(went)),
        *(ItemChange("add", after[index]) for index in sorted(came)),
    ]


def _indexes(found: Any, report: str) -> Iterator[int]:
    for node in found.get(report, ()):
        yield node.path(output_format="list")[-1]


def _repeated(found: Any, side: str, other: str) -> Iterator[int]:
    """The places of what stands on this side more often than on the other one."""
    for node in found.get("repetition_change", ()):
        told = node.additional["repetition"]
        yield from sorted(told[f"{side}_indexes"])[told[f"{other}_repeat"] :]


def _text(item: Any) -> str:
    """Equal for what is equal in JSON, also for 1 and 1.0."""
    return canonical(_plain(item))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
