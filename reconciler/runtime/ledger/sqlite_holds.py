"""Reservations and usage in a transaction of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from reconciler.runtime.ledger.entries import Hold, Settlement
from reconciler.runtime.ledger.reservations import (
    BLOCKED,
    COLUMNS,
    OVERSHOOT_COLUMNS,
    Reserved,
    Settled,
    blocked_after,
    reservation_rows,
    settle,
    wanted,
)
from reconciler.runtime.ledger.usage_rows import COLUMNS as USAGE_COLUMNS
from reconciler.runtime.ledger.usage_rows import UsageRow, swept


def _insert(table: str, columns: str) -> str:
    marks = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"


_RESERVE = _insert("reservations", f"{COLUMNS}, at, ends")
_OVERSHOOT = _insert("overshoots", OVERSHOOT_COLUMNS)
_USAGE = _insert("usage", f"{USAGE_COLUMNS}, at")


def settle_tries(connection: sqlite3.Connection, settlements: Sequence[Settlement], now: float) -> Settled:
    """Take the rows of settled tries away; return how the counters move."""
    by_try = wanted(settlements)
    sql = f"SELECT {COLUMNS} FROM reservations WHERE (call, number) = (?, ?)"
    found = [row for key in by_try for row in connection.execute(sql, key)]
    settled = settle(map(Reserved._make, found), by_try)
    _take(connection, settled, now)
    return settled


def keep_ended(connection: sqlite3.Connection, before: float, now: float) -> Settled:
    """Count what tries hold that should have ended ``before``, and whose server is gone, as used."""
    sql = f"SELECT {COLUMNS} FROM reservations WHERE ends < ? ORDER BY call, number"
    rows = [Reserved._make(row) for row in connection.execute(sql, (before,)).fetchall()]
    add_usage(connection, swept(rows), now)
    settled = settle(rows, {})
    _take(connection, settled, now)
    return settled


def _take(connection: sqlite3.Connection, settled: Settled, now: float) -> None:
    connection.executemany("DELETE FROM reservations WHERE (call, number) = (?, ?)", settled.gone)
    connection.executemany("DELETE FROM slots WHERE id = ?", [(one,) for one in settled.slots])
    connection.executemany(_OVERSHOOT, [(*row, now, "") for row in settled.above])


def blocked(connection: sqlite3.Connection, is_asked: bool, settled: Settled) -> frozenset[tuple[str, str]]:
    """Return the integrations that were billed too much; none where no try asks."""
    return blocked_after(connection.execute(BLOCKED).fetchall(), settled) if is_asked else frozenset()


def reserve(connection: sqlite3.Connection, holds: Iterable[Hold], now: float) -> None:
    """Write what tries hold."""
    connection.executemany(_RESERVE, reservation_rows(holds, now))


def add_usage(connection: sqlite3.Connection, rows: Iterable[UsageRow], now: float) -> None:
    """Add usage; what is known already stays as it is."""
    connection.executemany(_USAGE, [(*row, now) for row in rows])
