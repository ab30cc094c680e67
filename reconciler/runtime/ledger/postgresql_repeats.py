"""Idempotency-Keys in PostgreSQL: looked up under locks, and given to the calls that were admitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.runtime.ledger.entries import Intent
from reconciler.runtime.ledger.judge import JudgedBatch
from reconciler.runtime.ledger.repeats import FOUND, RepeatRow, Sorted, claim_rows, keys_given


def in_columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Return rows as so many columns, each of them an array for `unnest`."""
    return [[row[at] for row in rows] for at in range(count)]


async def found_repeats(connection: Any, intents: Sequence[Intent], now: float) -> list[RepeatRow]:
    """Return what is known of the keys, locked in the order of their keys, whether they were there or not: of two servers, one waits for the other."""
    keys = keys_given(intents)
    if not keys:
        return []
    columns = in_columns(keys, 3)
    given = "unnest($1::text[], $2::text[], $3::text[]) AS k (tenant, caller, key)"
    await connection.execute(
        f"INSERT INTO repeats SELECT k.*, '', '', $4::float8 FROM {given} ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING",
        *columns,
        now,
    )
    within = f"(r.tenant, r.caller, r.key) IN (SELECT k.* FROM {given})"
    await connection.execute(
        f"SELECT 1 FROM repeats r WHERE {within} ORDER BY tenant, caller, key FOR UPDATE", *columns
    )
    # a statement of its own: it sees what was committed while the locks were waited for
    return [
        RepeatRow(*record)
        for record in await connection.fetch(f"{FOUND['postgresql']} WHERE {within} AND r.id <> ''", *columns)
    ]


async def claim_repeats(connection: Any, sorted_: Sorted, judged: JudgedBatch, now: float) -> None:
    """Give keys to the calls that were admitted: those of calls that were refused belong to nobody."""
    given = "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[]) AS k (t, c, key, request, id, at)"
    await connection.execute(
        f"UPDATE repeats r SET request = k.request, id = k.id, at = k.at, kept = NULL FROM {given} "
        "WHERE (r.tenant, r.caller, r.key) = (k.t, k.c, k.key)",
        *in_columns(claim_rows(sorted_, judged.admitted, now), 6),
    )
    await connection.execute("DELETE FROM repeats WHERE id = '' AND at = $1", now)
