"""Calls that wait together, and what is used of each limit: turned into who passes; all levels of a call, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from reconciler.runtime.ledger.entries import Intent, Level, Outcome, Refused, Repeated, wait, window

Key = tuple[str, str, str, str]
"""Tenant, what is counted by (``Level.counts``), unit, and the window (or "" for what runs at the same time)."""


class JudgedBatch(NamedTuple):
    """What a judge of a batch found.

    ``used`` is what is to be added to each counter; ``over`` names the levels that warned, by call; ``repeated`` what was sent
    before, by call; ``unapproved`` are calls whose approval does not count.
    """

    admitted: list[Intent]
    refused: dict[str, Refused]
    used: Mapping[Key, int]
    over: dict[str, list[Level]]
    repeated: Mapping[str, Repeated] = MappingProxyType({})
    unapproved: frozenset[str] = frozenset()


def key_of(level: Level, now: float) -> Key:
    """Return the key of a level's counter at a time."""
    return level.tenant, level.counts, level.unit, window(level, now)


def keys_of(intents: Iterable[Intent], back: Mapping[Key, int], now: float) -> list[Key]:
    """Every counter that these calls count in, or are given back from, in the one order in which all lock them."""
    return sorted({key_of(level, now) for intent in intents for level in intent.levels} | back.keys())


def given_back(outcomes: Iterable[Outcome], ends: Mapping[str, float]) -> Counter[Key]:
    """Return what each counter is given back. ``ends`` are those of calls without an outcome: nothing is given back twice.

    A charge is taken from the window that it was made in, also when that is over.
    """
    back: Counter[Key] = Counter()
    for one in outcomes:
        if one.charged is not None and one.id in ends:
            charged = ends[one.id] - one.charged.seconds
            back.update({key_of(level, charged) for level in one.charged.levels if level.per})
    return back


def left(used: Mapping[Key, int], back: Mapping[Key, int]) -> dict[Key, int]:
    """Return what is used of each counter once charges are given back."""
    return {key: max(0, n - back.get(key, 0)) for key, n in used.items()}


def changes(
    before: Mapping[Key, int], after: Mapping[Key, int], added: Mapping[Key, int]
) -> list[tuple[str, str, str, str, int]]:
    """Return how much each counter moves: from ``before`` to ``after``, and then by what is ``added``."""
    moved = {key: after[key] - n + added.get(key, 0) for key, n in before.items() if key[2] != "concurrent"}
    return [(*key, n) for key, n in moved.items() if n]


def judge(intents: Iterable[Intent], used: Mapping[Key, int], now: float) -> JudgedBatch:
    """In the order in which they came. A refusal spends nothing anywhere."""
    added: Counter[Key] = Counter()
    admitted, refused, over = [], {}, {}
    for intent in intents:
        full = [
            level for level in intent.levels if used.get(key_of(level, now), 0) + added[key_of(level, now)] >= level.cap
        ]
        stops = [level for level in full if not level.warns]
        if stops:
            # whoever comes back has to find all of them free
            refused[intent.id] = Refused(stops[0], max(wait(level, now) for level in stops))
            continue
        if full:
            over[intent.id] = full
        admitted.append(intent)
        added.update({key_of(level, now) for level in intent.levels})
    return JudgedBatch(admitted, refused, added, over)
