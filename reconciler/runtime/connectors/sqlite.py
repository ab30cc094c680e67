"""SQLite files: a call turned into one statement on a connection that can do nothing else."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from reconciler.access.snapshot import Resource
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.connectors.sql_common import bound, caps_of, checked, told, too_large, typed, writes

_STEPS = 1000
"""Of SQLite's machine between two looks at the clock."""
_NAMES = """
    abs avg ceil ceiling coalesce char count cos sin tan concat concat_ws date datetime time julianday strftime timediff
    unixepoch degrees radians exp floor format printf glob group_concat hex ifnull iif instr json json_array
    json_array_length json_each json_tree json_extract json_object json_type json_valid json_group_array json_group_object
    json_quote -> ->> lag lead first_value last_value nth_value ntile rank dense_rank row_number percent_rank cume_dist
    length like ln log log10 log2 lower ltrim max min mod nullif octet_length pow power quote random replace round rtrim
    sign sqrt string_agg substr substring sum total trim trunc typeof unicode upper likely unlikely likelihood
"""
_FUNCTIONS = frozenset(_NAMES.split())
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_TRANSACTION})


async def open_sqlite(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Raises Failed for a file that the operator does not permit."""
    name = connector.body.get("database")
    if connector.body.get("dsn") is not None:
        name = (await around.resolve(tenant, connector.body["dsn"])).removeprefix("sqlite:///")
    path = Path(str(name)).resolve()
    if not any(path.is_relative_to(root) for root in around.permits.sqlite_roots):
        raise Failed("file-not-permitted", "the operator of this server does not permit that folder", "blocked")
    return _Sqlite(path, around.control)


class _Sqlite:
    """One thread, and in it one connection for each call: SQLite opens a file in tens of microseconds."""

    def __init__(self, path: Path, control: frozenset[tuple[Any, Any]]) -> None:
        self._path, self._control = path, control
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="sqlite")

    async def run(self, call: Call) -> Answer:
        loop = asyncio.get_running_loop()
        opened: list[sqlite3.Connection] = []
        ends = time.monotonic() + call.deadline - loop.time()
        work = loop.run_in_executor(self._threads, self._run, call, ends, opened)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            for connection in opened:
                connection.interrupt()
            raise

    async def close(self) -> None:
        self._threads.shutdown(wait=False)

    def _run(self, call: Call, ends: float, opened: list[sqlite3.Connection]) -> Answer:
        sql, may_write = checked(call), writes(call)
        connection = self._open(may_write)
        opened.append(connection)
        try:
            return _answer(connection, call, sql, ends, may_write)
        except sqlite3.Error as error:
            raise _failed(error, time.monotonic() >= ends) from None
        finally:
            connection.close()

    def _open(self, may_write: bool) -> sqlite3.Connection:
        try:
            status = os.stat(self._path)
        except OSError:
            raise Failed("unreachable", "the file is not there") from None
        if (status.st_dev, status.st_ino) in self._control:
            raise Failed("control-database", "the database of the configuration is nothing for templates", "blocked")
        name = f"file:{quote(str(self._path))}?mode={'rw' if may_write else 'ro'}"
        try:
            return sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False, timeout=1.0)
        except sqlite3.Error:
            raise Failed("unreachable", "the file can't be opened") from None


def _answer(connection: sqlite3.Connection, call: Call, sql: str, ends: float, may_write: bool) -> Answer:
    caps = caps_of(call)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(caps.size + 1024, 2**30))
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 200_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
    connection.set_progress_handler(lambda: time.monotonic() >= ends, _STEPS)
    if may_write:
        connection.execute("BEGIN IMMEDIATE")
    # SQLite makes these as if by a change of the schema, which nothing may do later
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
    connection.set_authorizer(_authorizer(may_write))
    statement = bound(sql, "sqlite", "?")
    cursor = connection.execute(statement.sql, [_value(typed(call, name)) for name in statement.names])
    answer = told([column[0] for column in cursor.description or ()], cursor, caps)
    if not may_write:
        return answer
    changed = cursor.rowcount
    cursor.close()
    connection.set_authorizer(None)
    call.effect = True
    connection.execute("COMMIT")
    return answer if cursor.description else Answer({"changed": changed}, changed, 0)


def _value(value: Any) -> Any:
    """SQLite knows numbers, texts and bytes; a list is JSON for json_each."""
    if isinstance(value, list):
        return orjson.dumps(value, default=str).decode()
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _authorizer(may_write: bool) -> Any:
    """Everything that a statement wants to do is asked of it while the statement is compiled; what is not named is denied."""
    allowed = _READS | _WRITES if may_write else _READS

    def authorize(action: int, one: str | None, two: str | None, _database: str | None, _inner: str | None) -> int:
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_OK if (two or "").lower() in _FUNCTIONS else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_TRANSACTION or (action in _WRITES and (one or "").startswith("sqlite_")):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY

    return authorize


def _failed(error: sqlite3.Error, late: bool) -> Failed:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return Failed("timeout", "it took too long", "timeout") if late else Failed("cancelled", "it was cancelled")
    if code == sqlite3.SQLITE_AUTH:
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    if code == sqlite3.SQLITE_TOOBIG:
        return too_large()
    return Failed("query-failed", f"the database refused the statement ({getattr(error, 'sqlite_errorname', 'error')})")
