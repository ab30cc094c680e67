"""PostgreSQL: partitions of months, made before they are needed and dropped when they are over."""

from __future__ import annotations

from typing import Any

from reconciler.runtime.ledger.schema import CLOCK, PARTITIONED, month_of, partitions

NOW = f"SELECT {CLOCK['postgresql']}"


async def _months(connection: Any) -> set[str]:
    found = await connection.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = ANY($1::regclass[])",
        [*PARTITIONED],
    )
    return {row["relname"] for row in found}


async def make_months(connection: Any, now: float) -> None:
    """Make the months' partitions. A month that the rest already has rows of gets none."""
    there = await _months(connection)
    for one in partitions(now):
        if one.name in there:
            continue
        sql = f"SELECT EXISTS (SELECT 1 FROM {one.table}_rest WHERE id >= $1 AND id < $2)"
        if not await connection.fetchval(sql, one.first, one.behind):
            await connection.execute(
                f"CREATE TABLE {one.name} PARTITION OF {one.table} FOR VALUES FROM ('{one.first}') TO ('{one.behind}')"
            )


async def keep_months(connection: Any, keep_seconds: float) -> None:
    """Make the partitions that will be needed, drop those that are over, and remove what is old in the others."""
    now: float = await connection.fetchval(NOW)
    oldest = now - keep_seconds
    await make_months(connection, now)
    last = month_of(oldest)[0]
    for name in sorted(await _months(connection)):
        table, _, month = name.partition("_")
        if month < last and table in PARTITIONED:
            await connection.execute(f"DROP TABLE {name}")
    for table in (*PARTITIONED, "denial_counts", "usage", "limit_marks"):
        await connection.execute(f"DELETE FROM {table} WHERE at < $1", oldest)
