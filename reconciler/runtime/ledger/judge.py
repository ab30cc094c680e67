"""Calls that wait together, and what is used of each limit: turned into who passes; all levels of a call, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from types import MappingProxyType
from typing import NamedTuple

from reconciler.model.price import MOST
from reconciler.runtime.ledger.entries import (
    METERED,
    Hold,
    Intent,
    Level,
    Outcome,
    Refused,
    Repeated,
    wait,
    window,
)

BUSY_SECONDS = 2
"""After so many seconds calls in flight may have made room."""
Key = tuple[str, str, str, str]
"""Tenant, what is counted by (``Level.counts``), unit, and the window (or "" for what runs at the same time)."""


class JudgedBatch(NamedTuple):
    """What a judge of a batch found.

    ``used`` is what is to be added to each counter; ``over`` names the levels that warned, by call; ``repeated`` what was sent
    before, by call; ``unapproved`` are calls whose approval does not count; ``held`` are the tries that reserve something.
    """

    admitted: list[Intent]
    refused: dict[str, Refused]
    used: Mapping[Key, int]
    over: dict[str, list[Level]]
    repeated: Mapping[str, Repeated] = MappingProxyType({})
    unapproved: frozenset[str] = frozenset()
    held: Sequence[Hold] = ()


def key_of(level: Level, now: float) -> Key:
    """Return the key of a level's counter at a time."""
    return level.tenant, level.counts, level.unit, window(level, now)


def keys_of(intents: Iterable[Intent], moved: Mapping[Key, int], now: float, holds: Iterable[Hold] = ()) -> list[Key]:
    """Every counter that these calls count in, or that moves anyway, in the one order in which all lock them."""
    asked: list[Intent | Hold] = [*intents, *holds]
    levels = [level for one in asked for level in levels_of(one)]
    held = {key_of(level.held, now) for level in levels if level.unit in METERED}
    return sorted({key_of(level, now) for level in levels} | held | moved.keys())


def levels_of(one: Intent | Hold) -> tuple[Level, ...]:
    """Return all levels of a call with its first try, or of a later try."""
    if isinstance(one, Hold) or one.hold is None:
        return one.levels
    return one.levels + one.hold.levels


def given_back(outcomes: Iterable[Outcome], ends: Mapping[str, float]) -> Counter[Key]:
    """Return what each counter is given back. ``ends`` are those of calls without an outcome: nothing is given back twice.

    A charge is taken from the window that it was made in, also when that is over. What was reserved is settled on its own.
    """
    back: Counter[Key] = Counter()
    for one in outcomes:
        if one.charged is not None and one.id in ends:
            charged = ends[one.id] - one.charged.seconds
            levels = [level for level in levels_of(one.charged) if level.per and level.unit not in METERED]
            back.update({key_of(level, charged) for level in levels})
    return back


def left(used: Mapping[Key, int], back: Mapping[Key, int]) -> dict[Key, int]:
    """Return what is used of each counter once charges are given back."""
    return {key: max(0, n - back.get(key, 0)) for key, n in used.items()}


def changes(
    before: Mapping[Key, int], after: Mapping[Key, int], added: Mapping[Key, int]
) -> list[tuple[str, str, str, str, int]]:
    """Return how much each counter moves: from ``before`` to ``after``, and then by what is ``added``; none above ``MOST``."""
    moved = {key: min(MOST, after[key] + added.get(key, 0)) - n for key, n in before.items() if key[2] != "concurrent"}
    return [(*key, n) for key, n in moved.items() if n]


def judge(
    intents: Iterable[Intent],
    used: Mapping[Key, int],
    now: float,
    holds: Iterable[Hold] = (),
    blocked: Set[tuple[str, str]] = frozenset(),
) -> JudgedBatch:
    """In the order in which they came, later tries first. A refusal spends nothing anywhere.

    ``blocked`` are tenant and uid of integrations that were billed more than a call had reserved.
    """
    added: Counter[Key] = Counter()
    admitted, held, refused, over = [], [], {}, {}
    asked: list[Intent | Hold] = [*holds, *intents]
    for one in asked:
        levels = levels_of(one)
        hold = one if isinstance(one, Hold) else one.hold
        full = [level for level in levels if _is_full(level, used, added, now)]
        stops = [level for level in full if not level.warns]
        if hold is not None and (hold.tenant, hold.uid) in blocked and any(_stops(level) for level in hold.levels):
            refused[one.id] = Refused(Level(hold.tenant, hold.integration, "tokens", "", 0), BUSY_SECONDS, "blocked")
            continue
        if stops:
            refused[one.id] = _refused(stops, used, now)
            continue
        if full:
            over[one.id] = full
        if hold is not None:
            held.append(hold)
        if isinstance(one, Intent):
            admitted.append(one)
        for level in levels:
            added[key_of(level.held if level.unit in METERED else level, now)] += level.amount
    return JudgedBatch(admitted, refused, added, over, held=held)


def _stops(level: Level) -> bool:
    return level.unit in METERED and not level.warns


def _is_full(level: Level, used: Mapping[Key, int], added: Mapping[Key, int], now: float) -> bool:
    key = key_of(level, now)
    taken = used.get(key, 0) + added.get(key, 0) + level.amount
    if level.unit in METERED:
        held = key_of(level.held, now)
        taken += used.get(held, 0) + added.get(held, 0)
    return taken > level.cap


def _refused(stops: list[Level], used: Mapping[Key, int], now: float) -> Refused:
    """Return the refusal by the worst of the levels that stop a call: whoever comes back has to find all of them free."""
    never = [level for level in stops if level.unit in METERED and level.amount > level.cap]
    if never:
        return Refused(never[0], wait(never[0], now), "unreachable")
    spent = [level for level in stops if level.unit not in METERED or _is_spent(level, used, now)]
    if spent:
        return Refused(spent[0], max(wait(level, now) for level in spent))
    return Refused(stops[0], BUSY_SECONDS, "busy")


def _is_spent(level: Level, used: Mapping[Key, int], now: float) -> bool:
    """Whether a call does not fit even if all that is held came back."""
    return used.get(key_of(level, now), 0) + level.amount > level.cap
