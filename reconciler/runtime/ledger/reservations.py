"""What tries hold of limits, as rows: written with their intents, and turned into what was used when they are settled."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.model.price import MOST
from reconciler.runtime.ledger.entries import HELD, METERED, Hold, Settlement, window
from reconciler.runtime.ledger.judge import Key

GRACE_SECONDS = 5.0
TryKey = tuple[str, int]
"""The id of a call, and the number of its try."""


class Reserved(NamedTuple):
    """A row of a try that is not settled; ``levels`` is JSON of (counter, unit, window, amount)."""

    call: str
    number: int
    tenant: str
    caller: str
    route: str
    model: str
    integration: str
    uid: str
    tokens: int | None
    cost: int | None
    levels: str


COLUMNS = ", ".join(Reserved._fields)
TYPES = (
    "call text, number int, tenant text, caller text, route text, model text, integration text, uid text, "
    "tokens bigint, cost bigint, levels text"
)
"""PostgreSQL's types of the columns."""


class Settled(NamedTuple):
    """``moved`` is by how much each counter moves; ``gone`` are the rows that are settled, ``above`` those of them that were billed too much."""

    moved: Mapping[Key, int]
    gone: Sequence[TryKey]
    above: Sequence[tuple[Any, ...]]
    slots: Sequence[str] = ()


def reservation_rows(holds: Iterable[Hold], now: float) -> list[tuple[Any, ...]]:
    """Return the rows of tries under limits of tokens or cost, each with its moment and its end behind ``COLUMNS``."""
    return [(*_reserved(hold, now), now, now + hold.seconds + GRACE_SECONDS) for hold in holds if hold.is_metered]


def _reserved(hold: Hold, now: float) -> Reserved:
    levels = [
        [level.counts, level.unit, window(level, now), level.amount] for level in hold.levels if level.unit in METERED
    ]
    names = hold.call, hold.number, hold.tenant, hold.caller, hold.route, hold.model, hold.integration, hold.uid
    return Reserved(*names, hold.tokens, hold.cost, strict_json.write(levels).decode())


def wanted(settlements: Iterable[Settlement]) -> dict[TryKey, Settlement]:
    """Return settlements by their tries, in the one order in which all lock them."""
    found = {(one.hold.call, one.hold.number): one for one in settlements}
    return dict(sorted(found.items()))


def settle(rows: Iterable[Reserved], by_try: Mapping[TryKey, Settlement]) -> Settled:
    """Turn what rows hold into what was used, in the windows of their reservations.

    A row whose settlement is not known, or that has none, is used as it was held: its provider may bill all of it.
    """
    moved: Counter[Key] = Counter()
    gone, above = list[TryKey](), list[tuple[Any, ...]]()
    for row in rows:
        one = by_try.get((row.call, row.number))
        billed = {"tokens": None, "cost": None} if one is None else {"tokens": one.tokens, "cost": one.cost}
        gone.append((row.call, row.number))
        for counter, unit, period, amount in json.loads(row.levels):
            actual = billed[unit]
            moved[row.tenant, counter, unit + HELD, period] -= amount
            moved[row.tenant, counter, unit, period] += amount if actual is None else min(MOST, actual)
        above += _above(row, billed["tokens"], billed["cost"])
    return Settled(moved, gone, above, [f"{call}#{number}" for call, number in by_try])


def _above(row: Reserved, tokens: int | None, cost: int | None) -> Iterator[tuple[Any, ...]]:
    """Yield the row of an overshoot, without its moment, where more was billed than the provider's bound allows."""
    pairs = ((tokens, row.tokens), (cost, row.cost))
    if any(used is not None and bound is not None and used > bound for used, bound in pairs):
        numbers = (min(MOST, one or 0) for pair in pairs for one in pair)
        yield row.call, row.number, row.tenant, row.uid, row.integration, row.model, *numbers


OVERSHOOT_COLUMNS = (
    "call, number, tenant, uid, integration, model, tokens, tokens_held, cost, cost_held, at, acknowledged_by"
)
OVERSHOOT_TYPES = (
    "call text, number int, tenant text, uid text, integration text, model text, tokens bigint, tokens_held bigint, "
    "cost bigint, cost_held bigint"
)
BLOCKED = "SELECT DISTINCT tenant, uid FROM overshoots WHERE acknowledged IS NULL"


def moved_by(used: Mapping[Key, int], moved: Mapping[Key, int]) -> dict[Key, int]:
    """Return what is used of each counter once tries are settled."""
    return {key: min(MOST, max(0, n + moved.get(key, 0))) for key, n in used.items()}


def blocked_after(known: Iterable[tuple[str, str]], settled: Settled) -> frozenset[tuple[str, str]]:
    """Return tenant and uid of the integrations that wait for somebody to acknowledge what they were billed."""
    return frozenset({*known, *((row[2], row[3]) for row in settled.above)})
