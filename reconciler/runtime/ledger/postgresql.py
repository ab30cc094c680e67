"""The runtime's store in PostgreSQL: each flush a handful of set-based statements in one transaction."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from reconciler.runtime.ledger import postgresql_whole as whole
from reconciler.runtime.ledger.batch import (
    BY_NAME,
    IDENTITY,
    OLD_WINDOWS,
    PROOF,
    Batch,
    Space,
    StoreChanged,
    UidOf,
    by_uid,
    denial_row,
    intent_row,
    old_windows,
    outcome_row,
    slot_rows,
)
from reconciler.runtime.ledger.entries import Intent, Level
from reconciler.runtime.ledger.judge import Judged, Key, judge, key_of, keys_of
from reconciler.runtime.ledger.repairs import FIRST_FORM, REPAIR_SECONDS, repair
from reconciler.runtime.ledger.repeats import (
    FOUND,
    REPEAT_SECONDS,
    Row,
    Sorted,
    claim_rows,
    kept_rows,
    keys_given,
    sort_out,
)
from reconciler.runtime.ledger.schema import EXISTS, OWNS, PARTITIONED, month_of, partitions, statements

_LOCK = 7_248_911_350_112_634_114  # any constant: several servers may set up one store at a time
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"
_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
JUDGE_SECONDS = 1.0
"""So long after a refusal nobody tries whether a batch fits as a whole."""
_INTENT = ("text", "float8", "float8", *("text",) * 8, "bigint", "int")
_OUTCOME = ("text", "float8", "text", "bigint", "bigint", "bigint", "text")
_DENIAL = ("text", "float8", *("text",) * 5, "bigint", "bigint")


class Postgresql:
    """One connection, that is given up after any error."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._turn = asyncio.Lock()
        self._whole: Any = None
        self._owns = False
        self._judges_until = 0.0
        self._identity: str | None = None
        """Of the store that was opened first: no other one is written to, and none is made in its place."""

    async def flush(self, batch: Batch) -> Judged:
        """By one statement where nobody is refused; else it is judged under locks, and so is what comes in the next moment."""
        async with self._turn:
            if time.monotonic() >= self._judges_until and whole.fits(batch):
                if await self._as_one(batch):
                    return Judged([*batch.intents], {}, {}, {})
                self._judges_until = time.monotonic() + JUDGE_SECONDS
            return await self._in_transaction(_flush, batch)  # type: ignore[no-any-return]

    async def _as_one(self, batch: Batch) -> bool:
        connection = await self._connected()
        try:
            with _bounded(connection):
                self._whole = self._whole or await whole.prepared(connection)
                return await whole.write(self._whole, batch, self._identity or "")
        except asyncpg.InvalidSQLStatementNameError:
            self._judges_until = math.inf  # there is a proxy in between, behind which no statement stays prepared
            return False
        except BaseException:
            self._give_up(connection)
            raise

    async def sweep(self, grace: float, keep_seconds: float) -> int:
        async with self._turn:
            found: int = await self._in_transaction(_sweep, grace)
            if self._owns:
                await self._in_transaction(_keep_months, keep_seconds)
            return found

    async def used(self, levels: Sequence[Level]) -> list[int]:
        async with self._turn:
            return await self._in_transaction(_read, levels)  # type: ignore[no-any-return]

    async def identify(self, value: str) -> str:
        async with self._turn:
            self._identity = str(await self._in_transaction(_identify, value))
            return self._identity

    async def count_by_uid(self, uid_of: UidOf) -> None:
        async with self._turn:
            await self._in_transaction(_count_by_uid, uid_of)

    async def space(self) -> Space:
        async with self._turn:
            return Space(await self._in_transaction(_size))

    async def close(self) -> None:
        if self._connection is not None:
            with _bounded(self._connection, _CLOSE_SECONDS), suppress(Exception):
                await self._connection.close()

    async def _in_transaction(self, work: Any, *arguments: Any) -> Any:
        connection = await self._connected()
        try:
            with _bounded(connection):
                async with connection.transaction():
                    if self._identity is not None and await connection.fetchval(IDENTITY) != self._identity:
                        raise StoreChanged("the database has the content of another store")
                    return await work(connection, *arguments)
        except BaseException:
            self._give_up(connection)
            raise

    async def _connected(self) -> Any:
        if self._connection is None:
            self._connection, self._whole = await opened(self._url, new=self._identity is None), None
            self._owns = await self._connection.fetchval(OWNS)
        return self._connection

    def _give_up(self, connection: Any) -> None:
        """Whether it was written is not known: nobody may go on with this connection."""
        self._connection = self._whole = None
        connection.terminate()


@contextmanager
def _bounded(connection: Any, seconds: float = _SECONDS) -> Iterator[None]:
    """End the connection when the block takes longer: asyncpg's own bound still waits for the server to confirm a rollback."""
    timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


async def opened(url: str, new: bool) -> Any:
    """A connection to the store; where it is ``new`` its tables are made. Raises StoreChanged for one that lost them."""
    # no statement is named: it would not survive a proxy that pools transactions
    connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS, statement_cache_size=0)
    try:
        with _bounded(connection):
            is_first = await connection.fetchval(FIRST_FORM)
        if is_first:
            with _bounded(connection, REPAIR_SECONDS):
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                    await repair(connection)
        with _bounded(connection):
            async with connection.transaction():
                await _set_up(connection, new)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _set_up(connection: Any, new: bool) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    is_there = await connection.fetchval(EXISTS["postgresql"])
    if not (is_there or new):
        raise StoreChanged("the database has no tables any more")
    version = int(await connection.fetchval("SELECT version FROM runtime_schema")) if is_there else 0
    for statement in statements("postgresql", version):
        await connection.execute(statement)
    if await connection.fetchval(OWNS):
        await _make_months(connection, await connection.fetchval(_NOW))


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(count)]


async def _add(connection: Any, table: str, types: Sequence[str], rows: Sequence[Sequence[Any]], end: str = "") -> None:
    if rows:
        marks = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(types, 1))
        await connection.execute(
            f"INSERT INTO {table} SELECT * FROM unnest({marks}) {end}", *_columns(rows, len(types))
        )


async def _flush(connection: Any, batch: Batch) -> Judged:
    now: float = await connection.fetchval(_NOW)
    # first, since what has ended makes room
    await _add(
        connection, "outcomes", _OUTCOME, [outcome_row(o, now) for o in batch.outcomes], "ON CONFLICT DO NOTHING"
    )
    if batch.outcomes:
        await connection.execute("DELETE FROM slots WHERE id = ANY($1::text[])", [one.id for one in batch.outcomes])
    kept = kept_rows(batch.outcomes)
    if kept:
        await connection.executemany("UPDATE repeats SET kept = $1 WHERE id = $2", kept)
    sorted_ = sort_out(batch.intents, await _repeats(connection, batch.intents, now), now)
    keys = keys_of(sorted_.fresh, now)
    judged = judge(sorted_.fresh, await _used(connection, keys, now), now)
    used = [(*key, n) for key, n in judged.used.items() if key[2] != "concurrent"]
    if used:
        await connection.execute(
            "UPDATE counters c SET n = c.n + u.n FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) "
            "AS u (tenant, target, unit, period, n) WHERE (c.tenant, c.target, c.unit, c.period) = "
            "(u.tenant, u.target, u.unit, u.period)",
            *_columns(used, 5),
        )
    if sorted_.claimed:
        await _claim(connection, sorted_, judged, now)
    await _add(connection, "slots", ("text", "text", "text", "float8"), slot_rows(judged.admitted, now))
    if batch.proof:
        sql = "INSERT INTO slots VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, target, id) DO UPDATE SET ends = $4"
        await connection.execute(sql, *PROOF, now)
    await _add(connection, "intents", _INTENT, [intent_row(one, now) for one in judged.admitted])
    await _add(connection, "denials", _DENIAL, [denial_row(one, now) for one in batch.denials])
    return judged._replace(repeated=sorted_.repeated)


async def _repeats(connection: Any, intents: Sequence[Intent], now: float) -> list[Row]:
    """Locked in the order of their keys, whether they were there or not: of two servers, one waits for the other."""
    keys = keys_given(intents)
    if not keys:
        return []
    columns = _columns(keys, 3)
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
    return [Row(*record) for record in await connection.fetch(f"{FOUND} WHERE {within} AND r.id <> ''", *columns)]


async def _claim(connection: Any, sorted_: Sorted, judged: Judged, now: float) -> None:
    """Keys of calls that were refused belong to nobody."""
    given = "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[]) AS k (t, c, key, request, id, at)"
    await connection.execute(
        f"UPDATE repeats r SET request = k.request, id = k.id, at = k.at, kept = NULL FROM {given} "
        "WHERE (r.tenant, r.caller, r.key) = (k.t, k.c, k.key)",
        *_columns(claim_rows(sorted_, judged.admitted, now), 6),
    )
    await connection.execute("DELETE FROM repeats WHERE id = '' AND at = $1", now)


async def _used(connection: Any, keys: Sequence[Key], now: float) -> dict[Key, int]:
    """Every counter, locked in the order of the keys; slots are counted under the lock of theirs."""
    if not keys:
        return {}
    columns = _columns(keys, 4)
    given = "unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (tenant, target, unit, period)"
    await connection.execute(
        f"INSERT INTO counters SELECT k.*, 0 FROM {given} ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING", *columns
    )
    locked = await connection.fetch(
        f"SELECT c.tenant, c.target, c.unit, c.period, c.n FROM counters c WHERE (c.tenant, c.target, c.unit, c.period) IN "
        f"(SELECT k.* FROM {given}) ORDER BY 1, 2, 3, 4 FOR UPDATE",
        *columns,
    )
    used: dict[Key, int] = {(tenant, target, unit, period): n for tenant, target, unit, period, n in locked}
    slots = [key for key in keys if key[2] == "concurrent"]
    if slots:
        counted = await connection.fetch(
            "SELECT tenant, target, count(*) FROM slots WHERE ends > $3 AND (tenant, target) IN "
            "(SELECT * FROM unnest($1::text[], $2::text[])) GROUP BY tenant, target",
            *_columns(slots, 2),
            now,
        )
        used.update(dict.fromkeys(slots, 0))
        used.update({(tenant, target, "concurrent", ""): n for tenant, target, n in counted})
    return used


async def _read(connection: Any, levels: Sequence[Level]) -> list[int]:
    now: float = await connection.fetchval(_NOW)
    keys = [key_of(level, now) for level in levels]
    given = (
        "unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS k (tenant, target, unit, period, at)"
    )
    records = await connection.fetch(
        "SELECT CASE WHEN k.unit = 'concurrent' THEN (SELECT count(*) FROM slots s WHERE (s.tenant, s.target) = (k.tenant, k.target) "
        "AND s.ends > $5) ELSE COALESCE((SELECT c.n FROM counters c WHERE (c.tenant, c.target, c.unit, c.period) = "
        f"(k.tenant, k.target, k.unit, k.period)), 0) END AS n FROM {given} ORDER BY k.at",
        *_columns(keys, 4),
        now,
    )
    return [int(record["n"]) for record in records]


async def _sweep(connection: Any, grace: float) -> int:
    now: float = await connection.fetchval(_NOW)
    done = await connection.execute(
        "INSERT INTO outcomes SELECT id, $1, 'unknown', NULL, 0, 0, 'no-outcome' FROM intents i WHERE ends < $2 "
        "AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.id = i.id) ON CONFLICT DO NOTHING",
        now,
        now - grace,
    )
    await connection.execute("DELETE FROM slots WHERE ends < $1", now)
    await connection.execute("DELETE FROM repeats WHERE at < $1", now - REPEAT_SECONDS)
    short, long = old_windows(now)
    await connection.execute(f"DELETE FROM counters WHERE {OLD_WINDOWS.format(long='$1', short='$2')}", long, short)
    return int(done.rpartition(" ")[2])


async def _months(connection: Any) -> set[str]:
    found = await connection.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = ANY($1::regclass[])",
        [*PARTITIONED],
    )
    return {row["relname"] for row in found}


async def _make_months(connection: Any, now: float) -> None:
    """What a server that was away for long has put into the rest stays there: its month gets no partition any more."""
    there = await _months(connection)
    for one in partitions(now):
        if one.name in there:
            continue
        sql = f"SELECT EXISTS (SELECT 1 FROM {one.table}_rest WHERE id >= $1 AND id < $2)"
        if not await connection.fetchval(sql, one.first, one.behind):
            await connection.execute(
                f"CREATE TABLE {one.name} PARTITION OF {one.table} FOR VALUES FROM ('{one.first}') TO ('{one.behind}')"
            )


async def _keep_months(connection: Any, keep_seconds: float) -> None:
    """Makes the partitions that will be needed, drops those that are over, and removes what is old in the others."""
    now: float = await connection.fetchval(_NOW)
    oldest = now - keep_seconds
    await _make_months(connection, now)
    last = month_of(oldest)[0]
    for name in sorted(await _months(connection)):
        table, _, month = name.partition("_")
        if month < last and table in PARTITIONED:
            await connection.execute(f"DROP TABLE {name}")
    for table in PARTITIONED:
        await connection.execute(f"DELETE FROM {table} WHERE at < $1", oldest)


async def _size(connection: Any) -> int:
    return int(await connection.fetchval("SELECT pg_database_size(current_database())"))


async def _count_by_uid(connection: Any, uid_of: UidOf) -> None:
    records = await connection.fetch(f"{BY_NAME} ORDER BY 1, 2, 3, 4 FOR UPDATE")
    found = [(by_uid(record["tenant"], record["target"], uid_of), record) for record in records]
    await connection.executemany(
        "INSERT INTO counters VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (tenant, target, unit, period) DO UPDATE SET n = counters.n + excluded.n",
        [(one["tenant"], counter, one["unit"], one["period"], one["n"]) for counter, one in found if counter],
    )
    if records:
        await connection.execute("DELETE FROM counters WHERE target LIKE '%/%'")


async def _identify(connection: Any, value: str) -> str:
    await connection.execute("INSERT INTO settings VALUES ('values_key', $1) ON CONFLICT DO NOTHING", value)
    return str(await connection.fetchval(IDENTITY))
