"""Digests of hours in the audit trail of the control database, and evidence held against them.

An entry `evidence-hours` has `store` (what the store is known by, hashed) and `hours`: `[hour, tenant, digest, calls]`, hours
since 1970. Entries of one store follow each other; an hour stands in one with all its tenants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler.history.checks import Check, Finder, run
from reconciler.model.audit import Actor
from reconciler.runtime.ledger.batch import IDENTITY
from reconciler.runtime.ledger.hours import DAY, HOUR, Counted, Digest, Rows, digests_of, first_hour, rows_of
from reconciler.runtime.ledger.numbers import DICTIONARIES, NONE, key_of_numbers, number_of_row
from reconciler.runtime.ledger.reading import opened
from reconciler.store.audit import newest_of, note
from reconciler.store.changing import changing, current
from reconciler.store.url import Database

EVENT = "evidence-hours"
MOST_ROWS = 1000
"""Of one entry, but for an hour with more tenants."""
HourRow = tuple[int, str, str, int]


class Window(NamedTuple):
    """Hours since 1970, ``until`` excluded; None for all that are there."""

    since: int | None = None
    until: int | None = None

    def has(self, hour: int) -> bool:
        return (self.since is None or hour >= self.since) and (self.until is None or hour < self.until)


def file_hours(store: Database, control: Database, actor: Actor) -> int:
    """Append what was rolled up and is in no entry yet; return how many hours. Raises what a user may see."""
    with opened(store) as connection:
        name = _name(connection)
        newest = connection.execute(text("SELECT max(hour) FROM hours")).scalar()
    if newest is None:
        return 0
    with current(control) as reading:
        last = _last(reading, name)
    if newest <= last:
        return 0
    with changing(control) as connection:
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        connection.execute(text(f"SELECT seq FROM audit_head WHERE one = 1{lock}"))
        rows = _hours_after(store, _last(connection, name))  # another server may have been here
        for part in _parts(rows):
            note(connection, EVENT, actor, {"store": name, "hours": [[*row] for row in part]})
    return len({row[0] for row in rows})


def _hours_after(store: Database, last: int) -> list[HourRow]:
    sql = text("SELECT hour, tenant, digest, calls FROM hours WHERE hour > :last ORDER BY hour, tenant")
    with opened(store) as connection:
        return [tuple(row) for row in connection.execute(sql, {"last": last})]


def _parts(rows: list[HourRow]) -> Iterator[list[HourRow]]:
    part: list[HourRow] = []
    for _, hour in groupby(rows, lambda row: row[0]):
        part += hour
        if len(part) >= MOST_ROWS:
            yield part
            part = []
    if part:
        yield part


def _name(connection: Connection) -> str:
    return sha256(str(connection.execute(text(IDENTITY)).scalar_one()).encode()).hexdigest()[:16]


def _last(connection: Connection, name: str) -> int:
    entries = (entry for entry in newest_of(connection, EVENT) if entry["store"] == name)
    return max((int(row[0]) for row in next(entries, {"hours": []})["hours"]), default=-1)


def filed(control: Database, name: str) -> dict[int, dict[str, Digest]]:
    """Return what the audit trail says of a store's hours, by hour and tenant. Raises what a user may see."""
    found: dict[int, dict[str, Digest]] = defaultdict(dict)
    with current(control) as connection:
        for entry in newest_of(connection, EVENT):
            for hour, tenant, digest, calls in entry["hours"] if entry["store"] == name else ():
                found[hour].setdefault(tenant, Digest(digest, calls))
    return found


def verify(store: Database, control: Database, window: Window) -> Check:
    """Hold evidence, roll-ups and dictionaries against the audit trail. Evidence that was asked for and is gone is a finding."""

    def work(finder: Finder) -> str:
        with opened(store) as connection:
            known = filed(control, _name(connection))
            begins = first_hour(connection)
            key = key_of_numbers(str(connection.execute(text(IDENTITY)).scalar_one()))
            _check_numbers(connection, finder, key)
            _check_rolled_up(connection, finder, known, window)
            # the first hour of what is left may have been removed in part
            checked = [hour for hour in sorted(known) if window.has(hour)]
            if window.since is None:
                checked = [hour for hour in checked if begins is not None and hour > begins]
            counted = {}
            for hour in checked:
                counted[hour] = rows_of(connection, hour)
                _compare(finder, hour, known[hour], digests_of(counted[hour]))
            _check_days(connection, finder, counted, key)
        return _summary(checked, known)

    return run("evidence", work)


def _summary(checked: list[int], known: Mapping[int, Mapping[str, Digest]]) -> str:
    if not checked:
        return "no hour of evidence is in the audit trail yet" if not known else "no hour to check"
    calls = sum(one.calls for hour in checked for one in known[hour].values())
    return f"{len(checked)} hours from {shown(checked[0])} to {shown(checked[-1])}, {calls} calls and refusals"


def _compare(finder: Finder, hour: int, wanted: Mapping[str, Digest], found: Mapping[str, Digest]) -> None:
    for tenant in sorted({*wanted, *found}):
        one, other = wanted.get(tenant), found.get(tenant)
        if one is None:
            finder.add(f"{shown(hour)}, {tenant}: evidence was added that the audit trail does not know")
        elif other is None:
            finder.add(f"{shown(hour)}, {tenant}: evidence of {one.calls} calls is gone")
        elif one.sha256 != other.sha256:
            finder.add(f"{shown(hour)}, {tenant}: evidence was changed: {other.calls} calls, {one.calls} were recorded")


def _check_rolled_up(
    connection: Connection, finder: Finder, known: Mapping[int, Mapping[str, Digest]], window: Window
) -> None:
    """Check that the hours of the store are what they were when they were closed."""
    last = max(known, default=-1)
    found: dict[tuple[int, str], str] = {
        (hour, tenant): digest
        for hour, tenant, digest in connection.execute(text("SELECT hour, tenant, digest FROM hours"))
    }
    first = min((hour for hour, _ in found), default=0)
    wanted = {(hour, tenant): one.sha256 for hour in known for tenant, one in known[hour].items() if hour >= first}
    for key in sorted({*wanted, *found}):
        hour, tenant = key
        if window.has(hour) and hour <= last and wanted.get(key) != found.get(key):
            finder.add(f"{shown(hour)}, {tenant}: the roll-up is not the one of the audit trail")


def _check_days(connection: Connection, finder: Finder, counted: Mapping[int, Rows], key: bytes) -> None:
    """Days of which every hour was counted: their aggregates are the sum of their hours."""
    rolled_up = {int(hour) for (hour,) in connection.execute(text("SELECT DISTINCT hour FROM hours"))}
    for day in sorted({hour * HOUR // DAY for hour in counted}):
        hours = [hour for hour in rolled_up if hour * HOUR // DAY == day]
        if counted.keys() >= {*hours} and _day(connection, day) != _sum([counted[hour] for hour in hours], key):
            finder.add(f"{shown(day * DAY // HOUR)[:10]}: the day is not the sum of its hours")


def _day(connection: Connection, day: int) -> dict[tuple[int, str, str], Counted]:
    sql = text("SELECT pair, result, code, calls, shadow, bytes, ms, last FROM daily WHERE day = :day")
    return {(row[0], row[1], row[2]): Counted(*row[3:]) for row in connection.execute(sql, {"day": day})}


def _sum(hours: Sequence[Rows], key: bytes) -> dict[tuple[int, str, str], Counted]:
    found: dict[tuple[int, str, str], Counted] = {}
    for rows in hours:
        for (pair, result, code), one in rows.items():
            place = (pair.number(key), result, code)
            found[place] = found[place].plus(one) if place in found else one
    return found


def _check_numbers(connection: Connection, finder: Finder, key: bytes) -> None:
    """Check that entries of dictionaries have their numbers: a changed one hasn't; numbers below zero are of an upgrade."""
    for kind, (table, columns) in DICTIONARIES.items():
        for row in connection.execute(text(f"SELECT {', '.join(columns)} FROM {table}")):
            if row[0] > NONE and number_of_row(kind, row[1:], key) != row[0]:
                finder.add(f"{table}: the entry {row[0]} was changed: it says {', '.join(map(str, row[1:]))}")


def shown(hour: int) -> str:
    """Return an hour of the Unix epoch as text, e.g. 2026-01-31T13Z."""
    return datetime.fromtimestamp(hour * HOUR, UTC).strftime("%Y-%m-%dT%HZ")
