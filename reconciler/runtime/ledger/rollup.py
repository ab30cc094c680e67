"""Closed hours of evidence become `pairs`, `daily` and `hours`: in order, each once, in a transaction of its own.

A server that dies in between has rolled up an hour or not; several that try roll up each hour once. Nothing of this is
part of a flush.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler.runtime.ledger.batch import IDENTITY
from reconciler.runtime.ledger.hours import (
    DAY,
    HOUR,
    RUNNING,
    Counted,
    Key,
    Pair,
    Rows,
    digests_of,
    first_hour,
    rows_of,
)
from reconciler.runtime.ledger.numbers import key_of_numbers
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.schema import OWNS
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

GRACE_SECONDS = 120.0
"""After its end an hour may still get what waited: transactions that began in it, and counts of refusals."""
MOST_HOURS = 500
"""Of one round: a store that was away for long is caught up with in several."""
_LOCK = 7_248_911_350_112_634_115
_ADD = (
    "INSERT INTO daily (pair, day, result, code, tenant, calls, shadow, bytes, ms, last) VALUES (:pair, :day, :result, "
    ":code, :tenant, :calls, :shadow, :bytes, :ms, :last) ON CONFLICT (pair, day, result, code) DO UPDATE SET "
    "calls = daily.calls + excluded.calls, shadow = daily.shadow + excluded.shadow, bytes = daily.bytes + excluded.bytes, "
    "ms = daily.ms + excluded.ms, last = CASE WHEN excluded.last > daily.last THEN excluded.last ELSE daily.last END"
)


class Rebuilt(NamedTuple):
    """Days (since 1970) that were counted anew, and those whose evidence is no longer what was counted: they stay."""

    days: list[int]
    left: list[int]


def day_of(day: int) -> str:
    """Return the date of a day since 1970."""
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")


def may_roll_up(database: Database) -> bool:
    """Whether this role owns the store: another one reads no evidence."""
    with opened(database) as connection:
        return connection.dialect.name == "sqlite" or bool(connection.execute(text(OWNS)).scalar())


def roll_up(database: Database, most: int = MOST_HOURS) -> list[int]:
    """Roll up hours that are closed, the oldest first; return them. Raises what a user may see."""
    done: list[int] = []
    while len(done) < most:
        with opened(database) as connection:
            hour = first_hour(connection, float((_last(connection) + 1) * HOUR))
            now = now_of(connection)
            if hour is None or (hour + 1) * HOUR + GRACE_SECONDS > now:
                break
            rows = rows_of(connection, hour)
        if any(result == RUNNING for _, result, _ in rows):
            break  # the sweep says what became of it
        with writing_store(database) as connection:
            if _is_first(connection) and _last(connection) < hour:
                _write(connection, hour, rows)
                _write_hours(connection, hour, rows)
                done.append(hour)
            else:
                break  # another server is at it
    return done


def rebuild(database: Database) -> Rebuilt:
    """Count anew every day of which all evidence is there, hour by hour as its digests say. Raises what a user may see."""
    found = Rebuilt([], [])
    with opened(database) as connection:
        days = sorted({hour * HOUR // DAY for (hour,) in connection.execute(text("SELECT DISTINCT hour FROM hours"))})
    for day in days:
        with writing_store(database) as connection:
            connection.execute(text(f"SELECT {_lock(connection, wait=True)}"))
            (found.days if _rebuild_day(connection, day) else found.left).append(day)
    return found


def _rebuild_day(connection: Connection, day: int) -> bool:
    first = day * DAY // HOUR
    recorded = _recorded(connection, first, first + DAY // HOUR)
    counted = {hour: rows_of(connection, hour) for hour in recorded}
    if any(
        {name: one.sha256 for name, one in digests_of(counted[hour]).items()} != recorded[hour] for hour in recorded
    ):
        return False
    connection.execute(text("DELETE FROM daily WHERE day = :day"), {"day": day})
    for hour, rows in counted.items():
        _write(connection, hour, rows)
    return True


def forget(database: Database, keep_days: int) -> None:
    """Remove aggregates of days that are older. Raises what a user may see."""
    with writing_store(database) as connection:
        now = now_of(connection)
        day = int(now // DAY) - keep_days
        connection.execute(text("DELETE FROM daily WHERE day < :day"), {"day": day})
        connection.execute(text("DELETE FROM hours WHERE hour < :hour"), {"hour": day * DAY // HOUR})


def _recorded(connection: Connection, begins: int, ends: int) -> dict[int, dict[str, str]]:
    """Return the digests of these hours, by hour and tenant."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    sql = text("SELECT hour, tenant, digest FROM hours WHERE hour >= :begins AND hour < :ends ORDER BY hour")
    for hour, tenant, digest in connection.execute(sql, {"begins": begins, "ends": ends}):
        found[hour][tenant] = digest
    return found


def _last(connection: Connection) -> int:
    return int(connection.execute(text("SELECT COALESCE(max(hour), -1) FROM hours")).scalar_one())


def _lock(connection: Connection, wait: bool = False) -> str:
    """Return the lease of whoever rolls up: on SQLite a writing transaction is one by itself."""
    if connection.dialect.name == "sqlite":
        return "1"
    return f"pg_advisory_xact_lock({_LOCK})" if wait else f"pg_try_advisory_xact_lock({_LOCK})"


def _is_first(connection: Connection) -> bool:
    return bool(connection.execute(text(f"SELECT {_lock(connection)}")).scalar())


def _write(connection: Connection, hour: int, rows: Rows) -> None:
    key = key_of_numbers(str(connection.execute(text(IDENTITY)).scalar_one()))
    pairs = {pair: pair.number(key) for pair, _, _ in rows}
    if not rows:
        return
    connection.execute(
        text(
            "INSERT INTO pairs (number, tenant, caller, subject, path, action, policy) VALUES (:number, :tenant, :caller, "
            ":subject, :path, :action, :policy) ON CONFLICT DO NOTHING"
        ),
        sorted(({"number": number, **pair._asdict()} for pair, number in pairs.items()), key=lambda one: one["number"]),
    )
    connection.execute(text(_ADD), [*_daily(hour * HOUR // DAY, rows, pairs)])


def _daily(day: int, rows: Rows, pairs: Mapping[Pair, int]) -> Iterator[dict[str, int | str]]:
    ordered: Iterable[tuple[Key, Counted]] = sorted(rows.items())
    for (pair, result, code), one in ordered:
        yield {
            "pair": pairs[pair],
            "day": day,
            "result": result,
            "code": code,
            "tenant": pair.tenant,
            "calls": one.calls,
            "shadow": one.shadow,
            "bytes": one.size,
            "ms": one.ms,
            "last": one.last,
        }


def _write_hours(connection: Connection, hour: int, rows: Rows) -> None:
    sql = text("INSERT INTO hours (hour, tenant, digest, calls) VALUES (:hour, :tenant, :digest, :calls)")
    made = [
        {"hour": hour, "tenant": tenant, "digest": one.sha256, "calls": one.calls}
        for tenant, one in digests_of(rows).items()
    ]
    connection.execute(sql, made)
