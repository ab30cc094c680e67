"""Write a batch that passes no limit by one statement, which is its own transaction."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from enum import Enum, auto
from typing import Any

from reconciler.runtime.ledger.batch import IDENTITY, Batch
from reconciler.runtime.ledger.entries import PERIODS, Level
from reconciler.runtime.ledger.rows import INTENTS, OUTCOMES, Rows, columns_of, given, insert_intents, insert_outcomes

LENGTHS = {per: len(time.strftime(form, time.gmtime(0))) for per, form in PERIODS.items()}
_COUNTERS = "tenant text, target text, unit text, length int, n bigint, cap bigint"


class Written(Enum):
    """What became of a batch; only ALL wrote anything."""

    ALL = auto()
    NEW_COUNTER = auto()
    """A window begins: its counter has no row yet that could be locked."""
    REFUSED = auto()
    """A limit would be exceeded, or the store is another one."""


# `held` locks the counters in the order of their keys and reads what was committed before the lock was had. Everything that
# writes takes its rows from `t`, which has one row where the whole batch fits and none otherwise. Every window's name is the
# beginning of a time to the second.
STATEMENT = f"""
WITH now AS MATERIALIZED (
  SELECT extract(epoch FROM c)::float8 AS s, to_char(c AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') AS w
  FROM (SELECT clock_timestamp() AS c) n
), asked AS MATERIALIZED (
  SELECT k.tenant, k.target, k.unit, left(now.w, k.length) AS period, k.n, k.cap FROM now, {given(_COUNTERS, 9)}
), held AS MATERIALIZED (
  SELECT c.tenant, c.target, c.unit, c.period, c.n FROM counters c
  WHERE (c.tenant, c.target, c.unit, c.period) IN (SELECT tenant, target, unit, period FROM asked)
  ORDER BY 1, 2, 3, 4 FOR UPDATE
), room AS MATERIALIZED (
  SELECT count(h.n) = count(*) AS known,
    COALESCE(bool_and(h.n IS NULL OR h.n + a.n <= a.cap), true) AND COALESCE(({IDENTITY}) = $27::text, false) AS fits
  FROM asked a LEFT JOIN held h USING (tenant, target, unit, period)
), t AS MATERIALIZED (
  SELECT now.s FROM now, room WHERE room.known AND room.fits
), o AS (
  {insert_outcomes("t.s", f"t, {given(OUTCOMES, 1)}")}
), d AS (
  DELETE FROM slots WHERE id = ANY($1::text[]) AND EXISTS (SELECT FROM t)
), c AS (
  UPDATE counters c SET n = c.n + a.n FROM t, asked a
  WHERE (c.tenant, c.target, c.unit, c.period) = (a.tenant, a.target, a.unit, a.period)
), i AS (
  {insert_intents("t.s", f"t, {given(INTENTS, 15)}")}
)
SELECT known, fits FROM room
"""


def fits(batch: Batch, rows: Rows) -> bool:
    """Whether the statement can write a batch: no slots, no keys of repeats, no denials, no new entries of dictionaries."""
    plain = all(level.per for intent in batch.intents for level in intent.levels)
    return plain and not (
        batch.proof
        or batch.reserves
        or batch.settled
        or batch.usage
        or batch.denials
        or batch.counts
        or rows.fresh
        or any(one.repeat or one.use for one in batch.intents)
        or any(one.kept or one.charged for one in batch.outcomes)
    )


async def prepared(connection: Any) -> Any:
    """Prepare the statement under a random name: a proxy may hand the server's connection to others in between."""
    return await connection.prepare(STATEMENT, name=f"reconciler_{secrets.token_hex(8)}")


async def write(statement: Any, batch: Batch, rows: Rows, identity: str) -> Written:
    """Write the batch into the store of ``identity``, whole or not at all."""
    known, fits = await statement.fetchrow(*_arguments(batch, rows), identity)
    if not fits:
        return Written.REFUSED
    return Written.ALL if known else Written.NEW_COUNTER


def _arguments(batch: Batch, rows: Rows) -> list[list[Any]]:
    return [
        *columns_of(rows.outcomes, OUTCOMES),
        *columns_of(_counters(batch), _COUNTERS),
        *columns_of(rows.intents, INTENTS),
    ]


def _counters(batch: Batch) -> list[tuple[Any, ...]]:
    """Return a row for each counter: its key, with the length of its window's name, what is added, and the lowest cap."""
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
