"""Reservations and usage in a transaction of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.runtime.ledger.entries import Hold, Settlement
from reconciler.runtime.ledger.postgresql_repeats import in_columns
from reconciler.runtime.ledger.reservations import (
    BLOCKED,
    COLUMNS,
    OVERSHOOT_COLUMNS,
    OVERSHOOT_TYPES,
    TYPES,
    Reserved,
    Settled,
    blocked_after,
    reservation_rows,
    settle,
    wanted,
)
from reconciler.runtime.ledger.rows import columns_of, given
from reconciler.runtime.ledger.usage_rows import COLUMNS as USAGE_COLUMNS
from reconciler.runtime.ledger.usage_rows import TYPES as USAGE_TYPES
from reconciler.runtime.ledger.usage_rows import UsageRow, swept

_OF_TRIES = "(call, number) IN (SELECT * FROM unnest($1::text[], $2::int[]))"
_LOCKED = f"SELECT {COLUMNS} FROM reservations WHERE {{where}} ORDER BY call, number FOR UPDATE"
_RESERVE_TYPES = f"{TYPES}, at float8, ends float8"
_RESERVE = f"INSERT INTO reservations ({COLUMNS}, at, ends) SELECT k.* FROM {given(_RESERVE_TYPES, 1)}"
_OVERSHOOT = (
    f"INSERT INTO overshoots ({OVERSHOOT_COLUMNS}) SELECT k.*, $1::float8, '' FROM {given(OVERSHOOT_TYPES, 2)} "
    "ON CONFLICT DO NOTHING"
)
_USAGE = f"INSERT INTO usage ({USAGE_COLUMNS}, at) SELECT k.*, $1::float8 FROM {given(USAGE_TYPES, 2)} ON CONFLICT DO NOTHING"


async def settle_tries(connection: Any, settlements: Sequence[Settlement], now: float) -> Settled:
    """Take the rows of settled tries away, under locks in the order of their keys; return how the counters move."""
    by_try = wanted(settlements)
    found = await connection.fetch(_LOCKED.format(where=_OF_TRIES), *in_columns([*by_try], 2)) if by_try else []
    settled = settle((Reserved(*row) for row in found), by_try)
    await _take(connection, settled, now)
    return settled


async def keep_ended(connection: Any, before: float, now: float) -> Settled:
    """Count what tries hold that should have ended ``before``, and whose server is gone, as used."""
    rows = [Reserved(*row) for row in await connection.fetch(_LOCKED.format(where="ends < $1"), before)]
    await add_usage(connection, swept(rows), now)
    settled = settle(rows, {})
    await _take(connection, settled, now)
    return settled


async def _take(connection: Any, settled: Settled, now: float) -> None:
    if settled.gone:
        await connection.execute(f"DELETE FROM reservations WHERE {_OF_TRIES}", *in_columns(settled.gone, 2))
    if settled.slots:
        await connection.execute("DELETE FROM slots WHERE id = ANY($1::text[])", [*settled.slots])
    if settled.above:
        await connection.execute(_OVERSHOOT, now, *columns_of(settled.above, OVERSHOOT_TYPES))


async def blocked(connection: Any, is_asked: bool, settled: Settled) -> frozenset[tuple[str, str]]:
    """Return the integrations that were billed too much; none where no try asks."""
    return blocked_after([(*row,) for row in await connection.fetch(BLOCKED)], settled) if is_asked else frozenset()


async def reserve(connection: Any, holds: Iterable[Hold], now: float) -> None:
    """Write what tries hold."""
    rows = reservation_rows(holds, now)
    if rows:
        await connection.execute(_RESERVE, *columns_of(rows, _RESERVE_TYPES))


async def add_usage(connection: Any, rows: Sequence[UsageRow], now: float) -> None:
    """Add usage; what is known already stays as it is."""
    if rows:
        await connection.execute(_USAGE, now, *columns_of(rows, USAGE_TYPES))
