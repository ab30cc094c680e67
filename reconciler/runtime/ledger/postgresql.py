"""The runtime's store in PostgreSQL: each flush a handful of set-based statements in one transaction."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from reconciler.errors import Refused
from reconciler.runtime.ledger import postgresql_whole as whole
from reconciler.runtime.ledger.batch import (
    BY_NAME,
    IDENTITY,
    NO_OUTCOME,
    NO_OUTCOME_VALUES,
    OLD_WINDOWS,
    PROOF,
    Batch,
    Space,
    StoreChanged,
    UidOf,
    by_uid,
    old_windows,
    slot_rows,
)
from reconciler.runtime.ledger.entries import Level, Outcome
from reconciler.runtime.ledger.judge import JudgedBatch, Key, changes, given_back, judge, key_of, keys_of, left
from reconciler.runtime.ledger.numbers import Numbers, key_of_numbers
from reconciler.runtime.ledger.postgresql_holds import add_usage, blocked, keep_ended, reserve, settle_tries
from reconciler.runtime.ledger.postgresql_months import NOW, keep_months, make_months
from reconciler.runtime.ledger.postgresql_repeats import claim_repeats, found_repeats, in_columns
from reconciler.runtime.ledger.postgresql_uses import give_back, use_approvals
from reconciler.runtime.ledger.repairs import FIRST_FORM, REPAIR_SECONDS, repair
from reconciler.runtime.ledger.repeats import REPEAT_SECONDS, kept_rows, sort_out
from reconciler.runtime.ledger.reservations import Settled, moved_by
from reconciler.runtime.ledger.rows import (
    COUNTS,
    DENIALS,
    INTENTS,
    OUTCOMES,
    Rows,
    columns_of,
    given,
    insert_counts,
    insert_denials,
    insert_entries,
    insert_intents,
    insert_outcomes,
    rows_of,
)
from reconciler.runtime.ledger.schema import EXISTS, OWNS, REVISION, statements
from reconciler.runtime.ledger.uses import FORGET, REMOVE

_LOCK = 7_248_911_350_112_634_114  # any constant: several servers may set up one store at a time
_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
JUDGE_SECONDS = 1.0
"""So long after a refusal nobody tries whether a batch fits as a whole."""
_WRITE = {
    "outcomes": (insert_outcomes("$1::float8", given(OUTCOMES, 2)), OUTCOMES),
    "intents": (insert_intents("$1::float8", given(INTENTS, 2)), INTENTS),
    "denials": (insert_denials("$1::float8", given(DENIALS, 2)), DENIALS),
    "denial_counts": (insert_counts("$1::float8", given(COUNTS, 2)), COUNTS),
}


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
        self._numbers = Numbers()

    async def flush(self, batch: Batch) -> JudgedBatch:
        """By one statement where nobody is refused; else it is judged under locks, and so is what comes in the next moment."""
        async with self._turn:
            rows = rows_of(batch, self._numbers)
            if time.monotonic() >= self._judges_until and whole.fits(batch, rows):
                written = await self._as_one(batch, rows)
                if written is whole.Written.ALL:
                    return JudgedBatch([*batch.intents], {}, {}, {})
                if written is whole.Written.REFUSED:
                    self._judges_until = time.monotonic() + JUDGE_SECONDS
            judged: JudgedBatch = await self._in_transaction(_flush, batch, rows)
            self._numbers.remember(rows.fresh)
            return judged

    async def _as_one(self, batch: Batch, rows: Rows) -> whole.Written:
        connection = await self._connected()
        try:
            with _bounded(connection):
                self._whole = self._whole or await whole.prepared(connection)
                return await whole.write(self._whole, batch, rows, self._identity or "")
        except asyncpg.InvalidSQLStatementNameError:
            self._judges_until = math.inf  # there is a proxy in between, behind which no statement stays prepared
            return whole.Written.NEW_COUNTER
        except BaseException:
            self._give_up(connection)
            raise

    async def sweep(self, grace: float, keep_seconds: float) -> int:
        async with self._turn:
            found: int = await self._in_transaction(_sweep, grace, keep_seconds)
            if self._owns:
                await self._in_transaction(keep_months, keep_seconds)
            return found

    async def used(self, levels: Sequence[Level]) -> list[int]:
        async with self._turn:
            return await self._in_transaction(_read, levels)  # type: ignore[no-any-return]

    async def identify(self, value: str) -> str:
        async with self._turn:
            self._identity = str(await self._in_transaction(_identify, value))
            self._numbers = Numbers(key_of_numbers(self._identity))
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
        self._numbers.forget()
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
    """Return a connection to the store; where it is ``new`` its tables are made. Raises StoreChanged for one that lost them."""
    # no statement is named: it would not survive a proxy that pools transactions
    connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS, statement_cache_size=0)
    try:
        with _bounded(connection):
            is_first = await connection.fetchval(FIRST_FORM)
            is_older = await _version(connection) not in {0, REVISION}
        if is_first:
            with _bounded(connection, REPAIR_SECONDS):
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                    await repair(connection)
        with _bounded(connection, REPAIR_SECONDS if is_older else _SECONDS):
            async with connection.transaction():
                await _set_up(connection, new)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _set_up(connection: Any, new: bool) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    version = await _version(connection)
    if not (version or new):
        raise StoreChanged("the database has no tables any more")
    if 0 < version < REVISION and not await connection.fetchval(OWNS):
        raise Refused(
            f"the runtime's store is of version {version}, expected {REVISION}, and this role is not its owner",
            code="store-older",
            hint="run `reconciler evidence prepare` as the owner of its tables, and grant again (docs/operations.md)",
        )
    for statement in statements("postgresql", version):
        await connection.execute(statement, timeout=REPAIR_SECONDS)
    if await connection.fetchval(OWNS):
        await make_months(connection, await connection.fetchval(NOW))


async def _version(connection: Any) -> int:
    """Return the revision of the store; 0 for an empty database."""
    is_there = await connection.fetchval(EXISTS["postgresql"])
    return int(await connection.fetchval("SELECT version FROM runtime_schema")) if is_there else 0


async def _add(connection: Any, table: str, now: float, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        statement, columns = _WRITE[table]
        await connection.execute(statement, now, *columns_of(rows, columns))


async def _flush(connection: Any, batch: Batch, rows: Rows) -> JudgedBatch:
    now: float = await connection.fetchval(NOW)
    for table, names, entries in rows.dictionaries():
        await connection.execute(insert_entries(table, names), *in_columns(entries, len(names)))
    # before intents, since what has ended makes room
    back = given_back(batch.outcomes, await _ends(connection, batch.outcomes))
    await _add(connection, "outcomes", now, rows.outcomes)
    if batch.outcomes:
        await connection.execute("DELETE FROM slots WHERE id = ANY($1::text[])", [one.id for one in batch.outcomes])
    settled = await settle_tries(connection, batch.settled, now)
    await add_usage(connection, batch.usage, now)
    kept = kept_rows(batch.outcomes)
    if kept:
        await connection.executemany("UPDATE repeats SET kept = $1 WHERE id = $2", kept)
    sorted_ = sort_out(batch.intents, await found_repeats(connection, batch.intents, now), now)
    approved = await use_approvals(connection, sorted_.fresh, now)
    used = await _used(connection, keys_of(approved.intents, {**back, **settled.moved}, now, batch.holds), now)
    after = moved_by(left(used, back), settled.moved)
    stopped = await blocked(connection, batch.reserves, settled)
    judged = judge(approved.intents, after, now, batch.holds, stopped)
    await give_back(connection, approved.intents, judged)
    await _count(connection, changes(used, after, judged.used))
    await reserve(connection, judged.held, now)
    if sorted_.claimed:
        await claim_repeats(connection, sorted_, judged, now)
    slots = slot_rows(judged, now)
    if slots:
        columns = "unnest($1::text[], $2::text[], $3::text[], $4::float8[])"
        await connection.execute(f"INSERT INTO slots SELECT * FROM {columns}", *in_columns(slots, 4))
    if batch.proof:
        sql = "INSERT INTO slots VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, target, id) DO UPDATE SET ends = $4"
        await connection.execute(sql, *PROOF, now)
    await _add(connection, "intents", now, rows.admitted(judged.admitted))
    await _add(connection, "denials", now, rows.denials)
    await _add(connection, "denial_counts", now, rows.counts)
    return judged._replace(repeated=sorted_.repeated, unapproved=approved.refused)


async def _count(connection: Any, moved: Sequence[tuple[str, str, str, str, int]]) -> None:
    if moved:
        await connection.execute(
            "UPDATE counters c SET n = c.n + u.n FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) "
            "AS u (tenant, target, unit, period, n) WHERE (c.tenant, c.target, c.unit, c.period) = "
            "(u.tenant, u.target, u.unit, u.period)",
            *in_columns(moved, 5),
        )


async def _keep(connection: Any, settled: Settled, now: float) -> None:
    """Move the counters of tries that were settled outside of a flush."""
    used = await _used(connection, sorted(settled.moved), now)
    await _count(connection, changes(used, moved_by(used, settled.moved), {}))


async def _ends(connection: Any, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the ends of calls that are to be given back, and have no outcome yet."""
    ids = [one.id for one in outcomes if one.charged is not None]
    if not ids:
        return {}
    sql = (
        "SELECT k.id, i.ends FROM unnest($1::text[]) AS k (id) JOIN intents i ON i.id = k.id::uuid "
        "WHERE NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.id = i.id)"
    )
    return {row["id"]: row["ends"] for row in await connection.fetch(sql, ids)}


async def _used(connection: Any, keys: Sequence[Key], now: float) -> dict[Key, int]:
    """Every counter, locked in the order of the keys; slots are counted under the lock of theirs."""
    if not keys:
        return {}
    columns = in_columns(keys, 4)
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
            *in_columns(slots, 2),
            now,
        )
        used.update(dict.fromkeys(slots, 0))
        used.update({(tenant, target, "concurrent", ""): n for tenant, target, n in counted})
    return used


async def _read(connection: Any, levels: Sequence[Level]) -> list[int]:
    now: float = await connection.fetchval(NOW)
    keys = [key_of(level, now) for level in levels]
    given = (
        "unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS k (tenant, target, unit, period, at)"
    )
    records = await connection.fetch(
        "SELECT CASE WHEN k.unit = 'concurrent' THEN (SELECT count(*) FROM slots s WHERE (s.tenant, s.target) = (k.tenant, k.target) "
        "AND s.ends > $5) ELSE COALESCE((SELECT c.n FROM counters c WHERE (c.tenant, c.target, c.unit, c.period) = "
        f"(k.tenant, k.target, k.unit, k.period)), 0) END AS n FROM {given} ORDER BY k.at",
        *in_columns(keys, 4),
        now,
    )
    return [int(record["n"]) for record in records]


async def _sweep(connection: Any, grace: float, keep_seconds: float) -> int:
    now: float = await connection.fetchval(NOW)
    done = await connection.execute(
        f"INSERT INTO outcomes ({NO_OUTCOME}) SELECT id, $1, {NO_OUTCOME_VALUES} FROM intents i WHERE ends < $2 "
        "AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.id = i.id) ON CONFLICT DO NOTHING",
        now,
        now - grace,
    )
    await connection.execute("DELETE FROM slots WHERE ends < $1", now)
    await _keep(connection, await keep_ended(connection, now - grace, now), now)
    await connection.execute("DELETE FROM repeats WHERE at < $1", now - REPEAT_SECONDS)
    await connection.execute(FORGET["postgresql"], now)
    await connection.execute(REMOVE["postgresql"], now - keep_seconds)
    short, long = old_windows(now)
    await connection.execute(f"DELETE FROM counters WHERE {OLD_WINDOWS.format(long='$1', short='$2')}", long, short)
    return int(done.rpartition(" ")[2])


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
