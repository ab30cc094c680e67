"""A batch of which nobody is refused: turned into one statement that is its own transaction, or fails and changes nothing."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from reconciler.runtime.ledger.batch import IDENTITY, Batch
from reconciler.runtime.ledger.entries import PERIODS, Level
from reconciler.runtime.ledger.rows import INTENTS, OUTCOMES, Rows, columns_of, given, insert_intents, insert_outcomes

LENGTHS = {per: len(time.strftime(form, time.gmtime(0))) for per, form in PERIODS.items()}
_COUNTERS = "tenant text, target text, unit text, length int, n bigint, cap bigint"


# Every window begins a text that says the time to the second. What is above a cap, and what would be written into another
# store, divides by nothing: all of it is undone.
STATEMENT = f"""
WITH t AS MATERIALIZED (
  SELECT extract(epoch FROM c)::float8 AS s, to_char(c AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') AS w
  FROM (SELECT clock_timestamp() AS c) n
), o AS (
  {insert_outcomes("t.s", f"t, {given(OUTCOMES, 1)}")}
), d AS (
  DELETE FROM slots WHERE id = ANY($1::text[])
), c AS (
  INSERT INTO counters SELECT k.tenant, k.target, k.unit, left(t.w, k.length), k.n FROM t, {given(_COUNTERS, 9)}
  ORDER BY 1, 2, 3, 4
  ON CONFLICT (tenant, target, unit, period) DO UPDATE SET n = counters.n + excluded.n
  RETURNING tenant, target, unit, length(period) AS length, n
), i AS (
  {insert_intents("t.s", f"t, {given(INTENTS, 15)}")}
)
SELECT 1 / (count(*) = 0 AND COALESCE(({IDENTITY}) = $27::text, false))::int
FROM c JOIN {given(_COUNTERS, 9)} USING (tenant, target, unit, length) WHERE c.n > k.cap
"""


def fits(batch: Batch, rows: Rows) -> bool:
    """Whether nothing in it is to be looked at under a lock (slots, keys) or rare (denials, new entries of dictionaries)."""
    plain = all(level.per for intent in batch.intents for level in intent.levels)
    return plain and not (
        batch.proof
        or batch.denials
        or batch.counts
        or rows.fresh
        or any(one.repeat for one in batch.intents)
        or any(one.kept or one.charged for one in batch.outcomes)
    )


async def prepared(connection: Any) -> Any:
    """Under a name that nobody else has, should a proxy hand the server's connection to others in between."""
    return await connection.prepare(STATEMENT, name=f"reconciler_{secrets.token_hex(8)}")


async def write(statement: Any, batch: Batch, rows: Rows, identity: str) -> bool:
    """False where a limit would have been passed, or the store is not the one of ``identity``: then nothing was written."""
    try:
        await statement.fetch(*_arguments(batch, rows), identity)
    except asyncpg.DivisionByZeroError:
        return False
    return True


def _arguments(batch: Batch, rows: Rows) -> list[list[Any]]:
    return [
        *columns_of(rows.outcomes, OUTCOMES),
        *columns_of(_counters(batch), _COUNTERS),
        *columns_of(rows.intents, INTENTS),
    ]


def _counters(batch: Batch) -> list[tuple[Any, ...]]:
    """One for each counter: how much is added, and the lowest cap. What it is called is as long as its window's name."""
    added: Counter[tuple[str, ...]] = Counter()
    caps: dict[tuple[str, ...], int] = {}
    for intent in batch.intents:
        for level in intent.levels:
            key = _key(level)
            caps[key] = min(level.cap, caps.get(key, level.cap))
        added.update({_key(level) for level in intent.levels})
    return [(*key[:3], LENGTHS[key[3]], n, caps[key]) for key, n in sorted(added.items())]


def _key(level: Level) -> tuple[str, ...]:
    return level.tenant, level.counts, level.unit, level.per
