"""SQLite files: a call turned into one statement on a connection that can do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.sql_common import (
    Reader,
    Reading,
    Scope,
    caps_of,
    scope_of,
    told,
    too_large,
    typed,
    writes,
)
from reconciler.runtime.connectors.sql_file import DatabaseFile, identity_of
from reconciler.runtime.connectors.sqlite_guard import Authorizer, Guard
from reconciler.runtime.connectors.sqlite_on_loop import Kept, OnLoop

_BUSY_SECONDS = 1.0
_MOST_IDLE = 32
_LONGEST = 2**30
"""Bytes of one value at most."""
_STEPS = 1000
"""Of SQLite's machine between two looks at the clock."""
_PATTERN = 1000
"""The longest pattern of LIKE and GLOB: nothing interrupts one match, and it costs the text's length times this."""
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
_OF_VALUES = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})
_SAYS_VALUES = re.compile(
    "malformed JSON|JSON path error|bad JSON path|JSON cannot hold|integer overflow|pattern too complex|ESCAPE expression must"
    r"|labels must be TEXT|argument (?:of|to) \w+ must be|frame \w+ offset must"
)
"""Of SQLITE_ERROR, what a function says of its arguments when the statement runs: these are the caller's."""
_NO_DATABASE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY}
)


async def open_sqlite(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Open a SQLite file. Raises Failed for one that the operator does not permit."""
    name = connector.body.get("database")
    if connector.body.get("dsn") is not None:
        name = (await around.resolve(tenant, connector.body["dsn"])).removeprefix("sqlite:///")
    file = DatabaseFile.of(str(name), around)
    return _Sqlite(file, connector.body["pool_size"])


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


class _Sqlite:
    """Threads, and connections that only read, kept for whoever reads next; a write has one of its own."""

    def __init__(self, file: DatabaseFile, threads: int) -> None:
        self._file = file
        self._reader = Reader()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sqlite")
        self._idle: list[Kept] = []
        self._on_loop = OnLoop(file.path, _answer)
        self._closed = False

    async def run(self, call: Call) -> Answer:
        try:
            reading = await self._reader.read(call)
            answer = None if writes(call) else self._on_loop.answer(call, reading)
            return await self._ran(call) if answer is None else answer
        except Failed as error:
            self._reader.report(call, error)
            raise

    async def _ran(self, call: Call) -> Answer:
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

    async def ping(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._ping)

    def _ping(self) -> None:
        try:
            connection = self._open(*self._file.place(), "ro")
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "error")
            raise Failed("unreachable", f"the file can't be used ({name})") from None

    async def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False)
        self._on_loop.close()
        self._taken((0, 0), None)

    def _taken(self, identity: tuple[int, int], scope: Scope | None) -> Kept | None:
        """Return a connection of that very file and scope; those of a file that is there no more are closed."""
        others: list[Kept] = []
        try:
            with contextlib.suppress(IndexError):  # of several threads, one gets the last
                while kept := self._idle.pop():
                    if kept.identity != identity:
                        kept.connection.close()
                    elif kept.scope == scope:
                        return kept
                    else:
                        others.append(kept)
            return None
        finally:
            self._idle.extend(others)

    def _run(self, call: Call, turn: _Turn) -> Answer:
        try:
            turn.go_on()
            reading = self._reader.now(call)
            return self._write(call, reading, turn) if writes(call) else self._read(call, reading, turn)
        except sqlite3.Error as error:
            raise _failed(error, turn, call) from None
        except (UnicodeError, OverflowError):
            raise Failed("invalid-value", "a value is none that SQLite can keep") from None

    def _write(self, call: Call, reading: Reading, turn: _Turn) -> Answer:
        connection = self._open(*self._file.place(), "rw")
        try:
            turn.begin(connection)
            connection.execute("BEGIN IMMEDIATE")
            guard = Guard(scope_of(call), may_write=True)
            connection.set_authorizer(_authorizer(guard=guard))
            guard.begin(connection, reading.sql)
            with _explained(guard):
                return _written(connection, call, reading, turn)
        finally:
            connection.close()

    def _read(self, call: Call, reading: Reading, turn: _Turn) -> Answer:
        real, identity = self._file.place()
        scope = scope_of(call)
        kept = self._taken(identity, scope)
        if kept is None:
            kept = Kept(self._open(real, identity, "ro"), identity, scope, Guard(scope, may_write=False))
            kept.connection.set_authorizer(_authorizer(guard=kept.guard))
        fit = False
        try:
            turn.begin(kept.connection)
            kept.guard.begin(kept.connection, reading.sql)
            with _explained(kept.guard):
                answer = _answer(kept.connection, call, reading, _LONGEST)
            fit = not kept.connection.in_transaction
            return answer
        finally:
            turn.end()
            if not (fit and self._on_loop.takes(kept, reading)):
                if fit and not self._closed and len(self._idle) < _MOST_IDLE:
                    self._idle.append(kept)
                else:
                    kept.connection.close()

    def _open(self, real: str, identity: tuple[int, int], mode: str) -> sqlite3.Connection:
        name = f"file:{quote(real)}?mode={mode}"
        connection = sqlite3.connect(
            name, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
        )
        try:
            # no file of our own to be sure of: closing one would drop the locks that SQLite has on it in this process
            if identity_of(real) != identity:
                raise Failed("file-not-permitted", "the file was exchanged while it was opened", "blocked")
            _bounded(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _bounded(connection: sqlite3.Connection) -> None:
    """Set the bounds of any statement."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 200_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _PATTERN)
    # SQLite makes these as if by a change of the schema, which nothing may do later
    for function in ("json_each", "json_tree"):
        with contextlib.suppress(sqlite3.OperationalError):  # the file may have a table of that name
            connection.execute(f"SELECT 1 FROM {function}('[]')").fetchall()


def _run(connection: sqlite3.Connection, call: Call, reading: Reading, longest: int) -> sqlite3.Cursor:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(caps_of(call).size + 1024, longest))
    statement = reading.bound("?")
    return connection.execute(statement.sql, [_value(typed(call, name)) for name in statement.names])


def _answer(connection: sqlite3.Connection, call: Call, reading: Reading, longest: int) -> Answer:
    cursor = _run(connection, call, reading, longest)
    try:
        return told([column[0] for column in cursor.description or ()], cursor, caps_of(call))
    finally:
        cursor.close()


def _written(connection: sqlite3.Connection, call: Call, reading: Reading, turn: _Turn) -> Answer:
    cursor = _run(connection, call, reading, _LONGEST)
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


def _authorizer(*, guard: Guard) -> Authorizer | None:
    """Everything that a statement wants to do is asked of it while the statement is compiled; what is not named is denied."""
    return guard.authorize


@contextlib.contextmanager
def _explained(guard: Guard) -> Iterator[None]:
    """Say what the datasource would have to list, where SQLite only says that it is not authorised."""
    try:
        yield
    except sqlite3.DatabaseError:
        guard.refuse()
        raise


def _failed(error: sqlite3.Error, turn: _Turn, call: Call) -> Failed:
    effect = call.effect
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
    is_of_values = code in _OF_VALUES or (code == sqlite3.SQLITE_ERROR and _SAYS_VALUES.search(str(error)))
    if is_of_values and call.values:
        return ValuesRefused("query-failed", f"the database refuses these values ({name})")
    return Failed("query-failed", f"the database refused the statement ({name})")
