"""Compares two lists item by item, for those who show a changed list to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from reconciler.model.body import canonical


class ItemChange(NamedTuple):
    """A run of items at one place of the list: ``op`` is keep, remove or add. A changed or moved item is removed and added."""

    op: str
    items: list[Any]


def item_changes(before: list[Any], after: list[Any]) -> Iterator[ItemChange]:
    """Return the runs in the list's order: without what was removed they give ``after``, without what was added ``before``."""
    # items as canonical texts: Python takes True for 1, and maps have no hash
    matcher = SequenceMatcher(None, [_text(item) for item in before], [_text(item) for item in after])
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            yield ItemChange("keep", before[i1:i2])
            continue
        if i1 < i2:
            yield ItemChange("remove", before[i1:i2])
        if j1 < j2:
            yield ItemChange("add", after[j1:j2])


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
