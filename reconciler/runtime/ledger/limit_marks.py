"""Events of limits: 80 and 95% of one is used, and what an integration was billed beyond what a call had reserved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler.model.notification import INCIDENT, LIMIT, Destination, RuntimeEvent, subscribed
from reconciler.runtime.ledger.entries import PERIODS, Level, amount_of, window
from reconciler.runtime.ledger.judge import Key, key_of
from reconciler.runtime.ledger.letters import enqueue
from reconciler.runtime.ledger.overshoots import Overshoot, overshoots_in
from reconciler.runtime.ledger.reading import moment
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

PERCENTS = (95, 80)
"""The highest first: a limit that passes both at once is told of once."""
_COUNTERS = (
    "SELECT tenant, target, unit, period, n FROM counters WHERE n > 0 AND period IN (:minute, :hour, :day, :month)"
)
_MARK = (
    "INSERT INTO limit_marks (tenant, target, unit, period, percent, at) VALUES (:tenant, :target, :unit, :period, :percent, :at) "
    "ON CONFLICT DO NOTHING"
)


class Reached(NamedTuple):
    """A share of a limit that is used in its window."""

    level: Level
    key: Key
    used: int
    percent: int


def tell(store: Database, levels: Sequence[Level], destinations: tuple[Destination, ...]) -> int:
    """Keep events of what destinations have not been told yet; return how many were new. Raises what the store says.

    Windows of a second are left out, and those of a minute are told of once an hour.
    """
    wants_limits, wants_incidents = subscribed(destinations, LIMIT), subscribed(destinations, INCIDENT)
    if not wants_limits and not wants_incidents:
        return 0
    with writing_store(store) as connection:
        now = now_of(connection)
        told = 0
        for one in _reached(connection, levels, now) if wants_limits else ():
            if _mark(connection, one, now):
                enqueue(connection, destinations, _event(one, now))
                told += 1
        for above in overshoots_in(connection) if wants_incidents else ():
            enqueue(connection, destinations, _incident(above))
        return told


def _reached(connection: Connection, levels: Sequence[Level], now: float) -> Iterator[Reached]:
    """Yield the highest share of each limit that is used, in the order of their counters, so that servers wait for each other."""
    periods = {per: window(Level("", "", "", per, 0), now) for per in PERIODS if per != "second"}
    used: Mapping[Key, int] = {tuple(row[:4]): row[4] for row in connection.execute(text(_COUNTERS), periods)}
    for key, level in sorted((key_of(level, now), level) for level in levels if level.per in periods):
        n = used.get(key, 0)
        percent = next((one for one in PERCENTS if level.cap and 100 * n >= one * level.cap), None)
        if percent is not None:
            yield Reached(level, key, n, percent)


def _mark(connection: Connection, one: Reached, now: float) -> bool:
    """Mark this share and those below; return whether it was new."""
    tenant, target, unit, period = one.key
    names = {"tenant": tenant, "target": target, "unit": unit, "period": f"{period} of {one.level.cap}", "at": now}
    marked = [
        connection.execute(text(_MARK), {**names, "percent": percent}).rowcount
        for percent in sorted(PERCENTS)
        if percent <= one.percent
    ]
    return marked[-1] == 1


def _event(one: Reached, now: float) -> RuntimeEvent:
    level, (tenant, counter, unit, period) = one.level, one.key
    used, cap = amount_of(unit, one.used), amount_of(unit, level.cap)
    name, sign = ("cost_usd", "$") if unit == "cost" else (unit, "")
    # a limit by the minute may be used up every minute of a day
    at = window(level._replace(per="hour"), now) if level.per == "minute" else period
    summary = f"{tenant}: {one.percent}% of {name} per {level.per} of {level.target} are used: {sign}{used:,} of {sign}{cap:,}"
    data = {"target": level.target, "unit": name, "period": level.per, "window": period, "percent": one.percent}
    data |= {"used": used, "limit": cap, "on_exceed": "warn" if level.warns else "block"}
    identity = f"limit-{tenant}-{counter}-{unit}-{level.per}-{at}-{level.cap}-{one.percent}"
    return RuntimeEvent(identity, LIMIT, moment(now), tenant, summary, data)


def _incident(one: Overshoot) -> RuntimeEvent:
    """Return the event of a try that was billed too much; the outbox knows whether it was sent within the last week."""
    address = f"{one['tenant']}/{one['integration']}"
    summary = (
        f"{address} billed {one['tokens']:,} tokens for a call of {one['model']} that had reserved {one['tokens_reserved']:,}: it "
        "waits under limits until that is acknowledged"
    )
    data = {"address": address, **{name: value for name, value in one.items() if name not in {"tenant", "at"}}}
    return RuntimeEvent(
        f"overshoot-{one['evidence_id']}-{one['model']}", INCIDENT, one["at"], one["tenant"], summary, data
    )
