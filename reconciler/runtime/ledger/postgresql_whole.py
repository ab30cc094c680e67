"""A batch of which nobody is refused: turned into one statement that is its own transaction, or fails and changes nothing."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from reconciler.runtime.ledger.batch import IDENTITY, Batch, intent_row, outcome_row
from reconciler.runtime.ledger.entries import PERIODS, Level

LENGTHS = {per: len(time.strftime(form, time.gmtime(0))) for per, form in PERIODS.items()}
_OUTCOMES = "id text, outcome text, result_rows bigint, size bigint, duration_ms bigint, code text"
_COUNTERS = "tenant text, target text, unit text, length int, n bigint, cap bigint"
_INTENTS = (
    "id text, seconds float8, tenant text, caller text, run text, target text, connector text, action text, "
    "value_hash text, policy text, generation bigint, drifted int"
)


def _given(columns: str, first: int) -> str:
    """A table of the arrays ``$first`` and following, by its columns and their types."""
    pairs = [column.split() for column in columns.split(", ")]
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(pairs, first))
    return f"unnest({arrays}) AS k ({', '.join(name for name, _ in pairs)})"


# Every window begins a text that says the time to the second. What is above a cap, and what would be written into another
# store, divides by nothing: all of it is undone.
STATEMENT = f"""
WITH t AS MATERIALIZED (
  SELECT extract(epoch FROM c)::float8 AS s, to_char(c AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') AS w
  FROM (SELECT clock_timestamp() AS c) n
), o AS (
  INSERT INTO outcomes SELECT k.id, t.s, k.outcome, k.result_rows, k.size, k.duration_ms, k.code
  FROM t, {_given(_OUTCOMES, 1)} ON CONFLICT DO NOTHING
), d AS (
  DELETE FROM slots WHERE id = ANY($1::text[])
), c AS (
  INSERT INTO counters SELECT k.tenant, k.target, k.unit, left(t.w, k.length), k.n FROM t, {_given(_COUNTERS, 7)}
  ORDER BY 1, 2, 3, 4
  ON CONFLICT (tenant, target, unit, period) DO UPDATE SET n = counters.n + excluded.n
  RETURNING tenant, target, unit, length(period) AS length, n
), i AS (
  INSERT INTO intents SELECT k.id, t.s, t.s + k.seconds, k.tenant, k.caller, k.run, k.target, k.connector, k.action,
    k.value_hash, k.policy, k.generation, k.drifted
  FROM t, {_given(_INTENTS, 13)}
)
SELECT 1 / (count(*) = 0 AND COALESCE(({IDENTITY}) = $25::text, false))::int
FROM c JOIN {_given(_COUNTERS, 7)} USING (tenant, target, unit, length) WHERE c.n > k.cap
"""


def fits(batch: Batch) -> bool:
    """Whether there is nothing in it that has to be looked at under a lock: slots, keys, or what is rare."""
    plain = all(level.per for intent in batch.intents for level in intent.levels)
    return plain and not (
        batch.proof
        or batch.denials
        or any(one.repeat for one in batch.intents)
        or any(one.kept for one in batch.outcomes)
    )


async def prepared(connection: Any) -> Any:
    """Under a name that nobody else has, should a proxy hand the server's connection to others in between."""
    return await connection.prepare(STATEMENT, name=f"reconciler_{secrets.token_hex(8)}")


async def write(statement: Any, batch: Batch, identity: str) -> bool:
    """False where a limit would have been passed, or the store is not the one of ``identity``: then nothing was written."""
    try:
        await statement.fetch(*_arguments(batch), identity)
    except asyncpg.DivisionByZeroError:
        return False
    return True


def _arguments(batch: Batch) -> list[list[Any]]:
    outcomes = [(row[0], *row[2:]) for row in (outcome_row(one, 0.0) for one in batch.outcomes)]
    intents = [(row[0], *row[2:]) for row in (intent_row(one, 0.0) for one in batch.intents)]
    return [*_columns(outcomes, 6), *_columns(_counters(batch), 6), *_columns(intents, 12)]


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


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(count)]
