"""SQLite files: a call turned into one statement on a connection that can do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.connectors.sql_common import bound, caps_of, checked, told, too_large, typed, writes

_BUSY_SECONDS = 1.0
_STEPS = 1000
"""Of SQLite's machine between two looks at the clock."""
_PATTERN = 1000
"""The longest pattern of LIKE and GLOB: nothing interrupts one match, and it costs the text's length times this."""
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
_UNDONE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""Of COMMIT: these leave nothing behind. After another (the disk failed) nobody knows."""
_NO_DATABASE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY}
)


async def open_sqlite(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Raises Failed for a file that the operator does not permit."""
    name = connector.body.get("database")
    if connector.body.get("dsn") is not None:
        name = (await around.resolve(tenant, connector.body["dsn"])).removeprefix("sqlite:///")
    path, roots = str(Path(str(name)).absolute()), [*map(str, around.permits.sqlite_roots)]
    _permitted(path, roots)
    return _Sqlite(path, roots, around.control, connector.body["pool_size"])


def _permitted(path: str, roots: Sequence[str]) -> str:
    """Where the path leads to at this moment."""
    real = os.path.realpath(path)
    if not any(os.path.commonpath((real, root)) == root for root in roots):
        raise Failed("file-not-permitted", "the operator of this server does not permit that folder", "blocked")
    return real


class _Turn:
    """Whether a call may go on: of who cancels and who commits, the first one wins."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self._lock, self._stopped = threading.Lock(), False
        self._connection: sqlite3.Connection | None = None

    @property
    def over(self) -> bool:
        return self._stopped or time.monotonic() >= self.ends

    def begin(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._connection = connection
            self.go_on()
        connection.set_progress_handler(lambda: self.over, _STEPS)

    def go_on(self) -> None:
        if self._stopped:
            raise Failed("cancelled", "it was cancelled")

    def end(self) -> None:
        """Whoever cancels from here on comes too late: the connection is another call's."""
        with self._lock:
            self._connection = None

    def commit(self, call: Call) -> None:
        """From here on it may have an effect."""
        with self._lock:
            self.go_on()
            call.effect = True

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._connection is not None:
                with contextlib.suppress(sqlite3.ProgrammingError):  # it has ended by itself
                    self._connection.interrupt()


class _Kept(NamedTuple):
    """A connection that can do nothing but read, of the file that it was opened on."""

    connection: sqlite3.Connection
    identity: tuple[int, int]


class _Sqlite:
    """Threads, and connections that only read, kept for whoever reads next; a write has one of its own."""

    def __init__(self, path: str, roots: Sequence[str], control: frozenset[tuple[Any, Any]], threads: int) -> None:
        self._path, self._roots, self._control = path, roots, control
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sqlite")
        self._idle: list[_Kept] = []
        self._closed = False

    async def run(self, call: Call) -> Answer:
        loop = asyncio.get_running_loop()
        turn = _Turn(time.monotonic() + call.deadline - loop.time())
        work = loop.run_in_executor(self._threads, self._run, call, turn)
        try:
            # a match of LIKE can't be interrupted: the thread may take longer, whoever waits does not
            async with asyncio.timeout_at(call.deadline):
                return await asyncio.shield(work)
        except (TimeoutError, asyncio.CancelledError) as error:
            turn.stop()  # before anybody asks for the effect: it can't come later any more
            work.cancel()
            if isinstance(error, TimeoutError):
                raise Failed("timeout", "it took too long", "unknown" if call.effect else "timeout") from None
            raise

    async def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False)
        self._taken((0, 0))

    def _taken(self, identity: tuple[int, int]) -> _Kept | None:
        """A connection of that very file; those of a file that is there no more are closed."""
        with contextlib.suppress(IndexError):  # of several threads, one gets the last
            while kept := self._idle.pop():
                if kept.identity == identity:
                    return kept
                kept.connection.close()
        return None

    def _run(self, call: Call, turn: _Turn) -> Answer:
        try:
            turn.go_on()
            sql = checked(call)
            return self._write(call, sql, turn) if writes(call) else self._read(call, sql, turn)
        except sqlite3.Error as error:
            raise _failed(error, turn, call.effect) from None
        except (UnicodeError, OverflowError):
            raise Failed("invalid-value", "a value is none that SQLite can keep") from None

    def _write(self, call: Call, sql: str, turn: _Turn) -> Answer:
        connection = self._open(*self._place(), "rw")
        try:
            turn.begin(connection)
            connection.execute("BEGIN IMMEDIATE")
            connection.set_authorizer(_authorizer(may_write=True))
            return _written(connection, call, sql, turn)
        finally:
            connection.close()

    def _read(self, call: Call, sql: str, turn: _Turn) -> Answer:
        real, identity = self._place()
        kept = self._taken(identity)
        if kept is None:
            kept = _Kept(self._open(real, identity, "ro"), identity)
            kept.connection.set_authorizer(_authorizer(may_write=False))
        fit = False
        try:
            turn.begin(kept.connection)
            answer = _answer(kept.connection, call, sql)
            fit = not kept.connection.in_transaction
            return answer
        finally:
            turn.end()
            if fit and not self._closed:
                self._idle.append(kept)
            else:
                kept.connection.close()

    def _place(self) -> tuple[str, tuple[int, int]]:
        """Each time anew: a file that was permitted may have become a link to one that is not."""
        real = _permitted(self._path, self._roots)
        identity = _identity(real)
        if identity in self._control or ("path", real) in self._control:
            what = "the databases of the configuration and of this server are nothing for templates"
            raise Failed("control-database", what, "blocked")
        return real, identity

    def _open(self, real: str, identity: tuple[int, int], mode: str) -> sqlite3.Connection:
        name = f"file:{quote(real)}?mode={mode}"
        connection = sqlite3.connect(
            name, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
        )
        try:
            # no file of our own to be sure of: closing one would drop the locks that SQLite has on it in this process
            if _identity(real) != identity:
                raise Failed("file-not-permitted", "the file was exchanged while it was opened", "blocked")
            _bounded(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.lstat(path)
    except OSError:
        raise Failed("unreachable", "the file is not there") from None
    if not stat.S_ISREG(status.st_mode):
        raise Failed("unreachable", "that is no file")
    return status.st_dev, status.st_ino


def _bounded(connection: sqlite3.Connection) -> None:
    """What no statement may need more of."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 200_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _PATTERN)
    # SQLite makes these as if by a change of the schema, which nothing may do later
    for function in ("json_each", "json_tree"):
        with contextlib.suppress(sqlite3.OperationalError):  # the file may have a table of that name
            connection.execute(f"SELECT 1 FROM {function}('[]')").fetchall()


def _run(connection: sqlite3.Connection, call: Call, sql: str) -> sqlite3.Cursor:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(caps_of(call).size + 1024, 2**30))
    statement = bound(sql, "sqlite", "?")
    return connection.execute(statement.sql, [_value(typed(call, name)) for name in statement.names])


def _answer(connection: sqlite3.Connection, call: Call, sql: str) -> Answer:
    cursor = _run(connection, call, sql)
    try:
        return told([column[0] for column in cursor.description or ()], cursor, caps_of(call))
    finally:
        cursor.close()


def _written(connection: sqlite3.Connection, call: Call, sql: str, turn: _Turn) -> Answer:
    cursor = _run(connection, call, sql)
    answer = told([column[0] for column in cursor.description or ()], cursor, caps_of(call))
    changed, described = cursor.rowcount, cursor.description
    cursor.close()
    connection.set_authorizer(None)
    turn.commit(call)
    connection.execute("COMMIT")
    return answer if described else Answer({"changed": changed}, changed, 0)


def _value(value: Any) -> Any:
    """Return a value as SQLite takes it: a number, text or bytes; a list is JSON for json_each. Raises Failed."""
    if isinstance(value, Decimal):
        raise Failed("invalid-value", "a number has more digits than SQLite keeps", "blocked")
    if isinstance(value, list):
        return strict_json.write([_value(one) for one in value]).decode()
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


def _failed(error: sqlite3.Error, turn: _Turn, effect: bool) -> Failed:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if effect and code not in _UNDONE:
        return Failed("commit-failed", "nobody knows whether it was written", "unknown")
    if code in {sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY} and time.monotonic() >= turn.ends:
        return Failed("timeout", "it took too long", "timeout")
    if code == sqlite3.SQLITE_INTERRUPT:
        return Failed("cancelled", "it was cancelled")
    if code == sqlite3.SQLITE_AUTH:
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    if code == sqlite3.SQLITE_TOOBIG:
        return too_large()
    name = getattr(error, "sqlite_errorname", "error")
    if code in _NO_DATABASE:
        why = "the file can't be used; in WAL mode its folder has to be writable, too"
        return Failed("unreachable", f"{why} ({name})")
    return Failed("query-failed", f"the database refused the statement ({name})")
