"""Secrets that another system hands out in pieces: over the columns of a row, the rows of a column, the items of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

Spans: TypeAlias = Callable[[str], Iterable[tuple[int, int]]]
"""Start and end of each secret in a text."""


def without_torn(value: Any, mask: str, spans: Spans) -> Any:
    """Return a map or a list with a mask for each of its texts that holds a secret only together with its neighbours."""
    if isinstance(value, dict):
        torn = _torn([*value.values()], spans)
        return {key: mask if at in torn else item for at, (key, item) in enumerate(value.items())} if torn else value
    torn = _torn(value, spans)
    value = [mask if at in torn else item for at, item in enumerate(value)]
    rows = [row for row in value if isinstance(row, dict)]
    if len(rows) < 2:
        return value
    torn_keys = {key: _torn([row.get(key) for row in rows], spans) for key in rows[0]}
    masked = iter([row | {key: mask for key in torn_keys if at in torn_keys[key]} for at, row in enumerate(rows)])
    return [next(masked) if isinstance(item, dict) else item for item in value]


def _torn(items: Sequence[Any], spans: Spans) -> set[int]:
    """Return the indexes of texts that a secret reaches over, read forwards or backwards."""
    places = [at for at, item in enumerate(items) if isinstance(item, str) and item]
    return {at for order in (places, places[::-1]) if len(places) > 1 for at in _reached([*order], items, spans)}


def _reached(places: Sequence[int], items: Sequence[Any], spans: Spans) -> Iterable[int]:
    ends = [*accumulate(len(items[at]) for at in places)]
    for start, end in spans("".join(items[at] for at in places)):
        reached = [at for at, stop in zip(places, ends, strict=True) if start < stop and stop - len(items[at]) < end]
        if len(reached) > 1:
            yield from reached
