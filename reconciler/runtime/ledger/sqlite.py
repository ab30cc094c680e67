"""The runtime's store in a SQLite file of its own: one thread writes, each flush one transaction on the disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import disk_usage
from typing import NamedTuple, TypeVar
from urllib.parse import quote

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
from reconciler.runtime.ledger.entries import Intent, Level, Outcome
from reconciler.runtime.ledger.judge import JudgedBatch, Key, changes, given_back, judge, key_of, keys_of, left
from reconciler.runtime.ledger.numbers import Numbers, key_of_numbers
from reconciler.runtime.ledger.repeats import (
    FOUND,
    REPEAT_SECONDS,
    RepeatRow,
    claim_rows,
    kept_rows,
    keys_given,
    sort_out,
)
from reconciler.runtime.ledger.reservations import Settled, moved_by
from reconciler.runtime.ledger.rows import Rows, rows_of
from reconciler.runtime.ledger.schema import CLOCK, EXISTS, statements
from reconciler.runtime.ledger.sqlite_holds import add_usage, blocked, keep_ended, reserve, settle_tries
from reconciler.runtime.ledger.uses import FORGET, GIVE_BACK, REMOVE, USE, Used, waiting, without

T = TypeVar("T")
BUSY_SECONDS = 2.0
_NOW = f"SELECT {CLOCK['sqlite']}"
_INTENT = (
    "INSERT INTO intents (id, at, ends, tenant, subject, path, policy, run, value_hash, generation, drifted, shadow, trace) "
    f"VALUES ({', '.join('?' * 13)})"
)
_OUTCOME = (
    "INSERT INTO outcomes (id, at, outcome, result_rows, size, duration_ms, code, status, output_hash) "
    f"VALUES ({', '.join('?' * 9)}) ON CONFLICT DO NOTHING"
)
_DENIAL = (
    "INSERT INTO denials (id, at, tenant, subject, path, policy, target, action, reason, detail, run, generation) "
    f"VALUES ({', '.join('?' * 12)})"
)


class Known(NamedTuple):
    """One store: device and inode of its file, and what it is known by itself."""

    file: tuple[int, int] | None
    identity: str


class Sqlite:
    """Everything on one connection, in one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None
        self._known: Known | None = None
        """The store that was opened first: no other one is written to, and none is made in its place."""
        self._numbers = Numbers()

    async def flush(self, batch: Batch) -> JudgedBatch:
        rows = rows_of(batch, self._numbers)
        judged = await self._do(lambda connection: _flush(connection, batch, rows))
        self._numbers.remember(rows.fresh)
        return judged

    async def sweep(self, grace: float, keep_seconds: float) -> int:
        return await self._do(lambda connection: _sweep(connection, grace, keep_seconds))

    async def used(self, levels: Sequence[Level]) -> list[int]:
        def read(connection: sqlite3.Connection) -> list[int]:
            now: float = connection.execute(_NOW).fetchone()[0]
            keys = [key_of(level, now) for level in levels]
            found = _used(connection, keys, now)
            return [found[key] for key in keys]

        return await self._do(read)

    async def identify(self, value: str) -> str:
        def first(connection: sqlite3.Connection) -> str:
            connection.execute("INSERT INTO settings VALUES ('values_key', ?) ON CONFLICT DO NOTHING", (value,))
            found = str(connection.execute(IDENTITY).fetchone()[0])
            self._known = Known(_file(self._path), found)
            self._numbers = Numbers(key_of_numbers(found))
            return found

        return await self._do(first)

    async def count_by_uid(self, uid_of: UidOf) -> None:
        await self._do(lambda connection: _count_by_uid(connection, uid_of))

    async def space(self) -> Space:
        def look() -> Space:
            files = [Path(f"{self._path}{end}") for end in ("", "-wal")]
            return Space(
                sum(file.stat().st_size for file in files if file.exists()), disk_usage(self._path.parent).free
            )

        return await asyncio.get_running_loop().run_in_executor(self._thread, look)

    async def close(self) -> None:
        def end() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        await asyncio.get_running_loop().run_in_executor(self._thread, end)
        self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_transaction, work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._known is not None and _file(self._path) != self._known.file:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise StoreChanged(f"{self._path} is not there any more, or another file")
        connection = self._connection or opened(self._path, new=self._known is None)
        self._connection = connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            if self._known is not None and connection.execute(IDENTITY).fetchone() != (self._known.identity,):
                raise StoreChanged(f"{self._path} has the content of another store")
            found = work(connection)
            connection.execute("COMMIT")
            return found
        except BaseException:
            # whether it was written is not known: nobody may go on with this connection
            connection.close()
            self._connection = None
            raise


def _file(path: Path) -> tuple[int, int] | None:
    """Return device and inode of the file that has the name now, None for no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def opened(path: Path, new: bool) -> sqlite3.Connection:
    """Return the file with its tables; where it is ``new``, it is made, for its owner alone."""
    if new and not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # an intent has to survive a power cut, or it is none
    connection.execute("BEGIN IMMEDIATE")
    is_there = connection.execute(EXISTS["sqlite"]).fetchone()[0]
    version = int(connection.execute("SELECT version FROM runtime_schema").fetchone()[0]) if is_there else 0
    for statement in statements("sqlite", version):
        connection.execute(statement)
    connection.execute("COMMIT")
    return connection


def _flush(connection: sqlite3.Connection, batch: Batch, rows: Rows) -> JudgedBatch:
    now: float = connection.execute(_NOW).fetchone()[0]
    for table, columns, entries in rows.dictionaries():
        marks = ", ".join("?" * len(columns))
        connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING", entries
        )
    # before intents, since what has ended makes room
    back = given_back(batch.outcomes, _ends(connection, batch.outcomes))
    connection.executemany(_OUTCOME, [(row[0], now, *row[1:]) for row in rows.outcomes])
    connection.executemany("DELETE FROM slots WHERE id = ?", [(one.id,) for one in batch.outcomes])
    settled = settle_tries(connection, batch.settled, now)
    add_usage(connection, batch.usage, now)
    connection.executemany("UPDATE repeats SET kept = ? WHERE id = ?", kept_rows(batch.outcomes))
    sorted_ = sort_out(batch.intents, _repeats(connection, batch.intents, now), now)
    approved = _use_approvals(connection, sorted_.fresh, now)
    used = _used(connection, keys_of(approved.intents, {**back, **settled.moved}, now, batch.holds), now)
    after = moved_by(left(used, back), settled.moved)
    stopped = blocked(connection, batch.reserves, settled)
    judged = judge(approved.intents, after, now, batch.holds, stopped)
    _give_back(connection, approved.intents, judged)
    claims = claim_rows(sorted_, judged.admitted, now)
    connection.executemany(f"INSERT OR REPLACE INTO repeats VALUES ({', '.join('?' * 6)}, NULL)", claims)
    _count(connection, changes(used, after, judged.used))
    reserve(connection, judged.held, now)
    connection.executemany("INSERT INTO slots VALUES (?, ?, ?, ?)", slot_rows(judged, now))
    if batch.proof:
        connection.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?)", (*PROOF, now))
    admitted = rows.intents if len(judged.admitted) == len(rows.intents) else rows.admitted(judged.admitted)
    connection.executemany(_INTENT, [(row[0], now, now + row[1], *row[2:]) for row in admitted])
    connection.executemany(_DENIAL, [(row[0], now, *row[1:]) for row in rows.denials])
    connection.executemany(
        "INSERT INTO denial_counts VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(one[0], now, one[1]) for one in rows.counts],
    )
    return judged._replace(repeated=sorted_.repeated, unapproved=approved.refused)


def _count(connection: sqlite3.Connection, moved: Sequence[tuple[str, str, str, str, int]]) -> None:
    sql = "INSERT INTO counters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
    connection.executemany(sql, moved)


def _keep(connection: sqlite3.Connection, settled: Settled, now: float) -> None:
    """Move the counters of tries that were settled outside of a flush."""
    used = _used(connection, sorted(settled.moved), now)
    _count(connection, changes(used, moved_by(used, settled.moved), {}))


def _use_approvals(connection: sqlite3.Connection, intents: Sequence[Intent], now: float) -> Used:
    refused = [
        one.id
        for one in waiting(intents)
        if one.use and connection.execute(USE["sqlite"], (one.id, *one.use, now)).rowcount != 1
    ]
    return without(intents, refused)


def _give_back(connection: sqlite3.Connection, intents: Sequence[Intent], judged: JudgedBatch) -> None:
    """Give back the approvals of calls that a limit refuses."""
    for one in waiting(intents):
        if one.use and one.id in judged.refused:
            connection.execute(GIVE_BACK["sqlite"], (one.use.id, one.id))


def _repeats(connection: sqlite3.Connection, intents: Sequence[Intent], now: float) -> list[RepeatRow]:
    found = []
    for key in keys_given(intents):
        found += connection.execute(f"{FOUND['sqlite']} WHERE (r.tenant, r.caller, r.key) = (?, ?, ?)", key).fetchall()
    return [RepeatRow(*row) for row in found]


def _ends(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the ends of calls that are to be given back, and have no outcome yet."""
    sql = "SELECT ends FROM intents i WHERE id = ? AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.id = i.id)"
    found = {one.id: connection.execute(sql, (one.id,)).fetchone() for one in outcomes if one.charged is not None}
    return {id: row[0] for id, row in found.items() if row is not None}


def _used(connection: sqlite3.Connection, keys: Sequence[Key], now: float) -> dict[Key, int]:
    used: dict[Key, int] = {}
    for key in keys:
        tenant, target, unit, _ = key
        if unit == "concurrent":
            sql = "SELECT count(*) FROM slots WHERE tenant = ? AND target = ? AND ends > ?"
            used[key] = connection.execute(sql, (tenant, target, now)).fetchone()[0]
        else:
            sql = "SELECT n FROM counters WHERE (tenant, target, unit, period) = (?, ?, ?, ?)"
            row = connection.execute(sql, key).fetchone()
            used[key] = row[0] if row else 0
    return used


def _sweep(connection: sqlite3.Connection, grace: float, keep_seconds: float) -> int:
    now: float = connection.execute(_NOW).fetchone()[0]
    found = connection.execute(
        f"INSERT INTO outcomes ({NO_OUTCOME}) SELECT id, ?, {NO_OUTCOME_VALUES} FROM intents i WHERE ends < ? "
        "AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.id = i.id)",
        (now, now - grace),
    ).rowcount
    connection.execute("DELETE FROM slots WHERE ends < ?", (now,))
    _keep(connection, keep_ended(connection, now - grace, now), now)
    short, long = old_windows(now)
    connection.execute(f"DELETE FROM counters WHERE {OLD_WINDOWS.format(long='?', short='?')}", (long, short))
    connection.execute("DELETE FROM repeats WHERE at < ?", (now - REPEAT_SECONDS,))
    connection.execute(FORGET["sqlite"], (now,))
    connection.execute(REMOVE["sqlite"], (now - keep_seconds,))
    for table in ("outcomes", "intents", "denials", "denial_counts", "usage", "limit_marks"):
        connection.execute(f"DELETE FROM {table} WHERE at < ?", (now - keep_seconds,))
    return found


def _count_by_uid(connection: sqlite3.Connection, uid_of: UidOf) -> None:
    for tenant, target, unit, period, n in connection.execute(BY_NAME).fetchall():
        if (counter := by_uid(tenant, target, uid_of)) is not None:
            connection.execute(
                "INSERT INTO counters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                (tenant, counter, unit, period, n),
            )
    connection.execute("DELETE FROM counters WHERE target LIKE '%/%'")
