"""Opens connections: read-only by construction for plans, writing ones for applies; each is bounded in time."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from reconciler.errors import LockTimeout, ReconcilerError
from reconciler.store.dialect import is_sqlite
from reconciler.store.failures import ConnectionLost, Contended, DatabaseFailed, ended, translated, unreachable
from reconciler.store.failures import LockNotHad as LockNotHad
from reconciler.store.url import Database

if TYPE_CHECKING:
    from reconciler.store.driver import BoundedConnection

READ_WAIT = 10.0
"""Seconds for which a reader waits behind a lock."""


def exists(database: Database) -> bool:
    """Whether there is anything to open. Raises DatabaseFailed for a folder, and where the file system doesn't tell."""
    if database.path is None:
        return True
    try:
        if S_ISDIR(database.path.stat().st_mode):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreachable(database, error) from None
    return True


def _postgresql(database: Database, lock: float, idle: float, opened: list[BoundedConnection]) -> Engine:
    """``lock`` bounds each wait for a lock, ``idle`` the silence inside of a transaction; both in seconds."""
    from reconciler.store.driver import GRACE, KEEPALIVES, BoundedConnection, timeouts

    assert database.url is not None
    bounds = database.bounds
    kept = {name: value for name, value in KEEPALIVES.items() if name not in database.url.query}
    engine = create_engine(
        database.url,
        poolclass=NullPool,
        hide_parameters=True,
        use_native_hstore=False,  # its types would be looked up in a transaction of its own at each connection
        # named prepared statements do not survive a transaction-pooling proxy
        connect_args={"prepare_threshold": None, "connect_timeout": max(1, round(bounds.connect)), **kept},
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **parameters)
        # the time in which a lock is waited for is what the user has given, and comes on top
        connection.ends = min(database.ends, time.monotonic() + bounds.total) + lock
        connection.allowed = min(lock, bounds.statement) + GRACE  # a proxy without a free connection bounds no wait
        opened.append(connection)
        return connection

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        connection.exec_driver_sql(timeouts(driver, bounds, lock, idle))
        driver.allowed = max(bounds.statement, lock) + GRACE

    return engine


def _sqlite(database: Database, mode: str, busy_seconds: float) -> Engine:
    def connect() -> sqlite3.Connection:
        name = f"file:{quote(str(database.path))}?mode={mode}"
        return sqlite3.connect(name, uri=True, timeout=busy_seconds, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        if mode != "ro":
            _use_wal(connection, busy_seconds)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if mode == "ro" else "BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to the write-ahead log. The switch doesn't wait for others by itself, so it is tried until the time is over.

    Where the file system can't do it, SQLite says so by another mode, and everything works all the same, only slower.
    """
    deadline = time.monotonic() + busy_seconds
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """Yield a read-only transaction that sees one moment: REPEATABLE READ, READ ONLY on PostgreSQL, mode=ro on SQLite.

    Raises nothing but errors that a user may see.
    """
    try:
        with translated(database), readable(database) as connection, connection.begin():
            yield connection
    except LockNotHad:
        raise LockTimeout(
            f"{database.display} is locked by another program{_locker(database)}", hint="try again later"
        ) from None
    except (ConnectionLost, Contended) as error:
        raise ended(error, database, " while it was read", "try again") from None


def _locker(database: Database) -> str:
    """Name the session that keeps readers out of a PostgreSQL database; empty where that can't be known."""
    sql = text(
        "SELECT concat(COALESCE(NULLIF(a.application_name, ''), 'a session'), ' (role ', a.usename, ', server process ', "
        "a.pid, ')') FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.mode = 'AccessExclusiveLock' "
        "AND l.granted AND l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database "
        "WHERE datname = current_database()) ORDER BY a.xact_start LIMIT 1"
    )
    if database.is_sqlite:
        return ""
    with (
        suppress(ReconcilerError, ConnectionLost, Contended, LockNotHad),
        translated(database),
        readable(database) as connection,
        connection.begin(),
    ):
        found = connection.execute(sql).scalar()
        return f", {found}" if found else ""
    return ""


@contextmanager
def readable(database: Database) -> Iterator[Connection]:
    """Yield a connection for reading transactions, one after the other, that the caller begins; raises what SQLAlchemy does."""
    lock, idle = min(READ_WAIT, database.bounds.statement), database.bounds.statement
    engine = _sqlite(database, "ro", lock) if database.is_sqlite else _postgresql(database, lock, idle, [])
    with engine.connect() as connection:
        if not database.is_sqlite:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.info["keys"] = database.keys
        yield connection


@contextmanager
def writing(database: Database, wait_seconds: float, create: bool = False) -> Iterator[Connection]:
    """Yield a writing connection; the transaction is begun by the caller (``connection.begin()``).

    On SQLite that is BEGIN IMMEDIATE, which waits for other writers; on PostgreSQL READ COMMITTED (whatever the role's
    default is), so that what is read after a lock was had is what its last holder left. Each wait for a lock there takes
    at most ``wait_seconds``. Only with ``create`` a SQLite file that is missing is made.
    """
    wait_seconds = max(wait_seconds, 0.001)
    opened: list[BoundedConnection] = []
    begun: list[bool] = []
    try:
        with translated(database):
            if database.is_sqlite:
                if create:
                    database.make_folder()
                engine = _sqlite(database, "rwc" if create else "rw", wait_seconds)
            else:
                engine = _postgresql(database, wait_seconds, database.bounds.lease, opened)
                engine = engine.execution_options(isolation_level="READ COMMITTED")
            event.listen(engine, "begin", lambda _connection: begun.append(True))
            with engine.connect() as connection:
                connection.info["keys"] = database.keys
                yield connection
    except (ConnectionLost, DatabaseFailed):
        if not begun and any(one.seconds_late is not None for one in opened):
            raise LockNotHad(f"{database.display}: no connection could be had in time") from None
        raise


def set_wait(connection: Connection, seconds: float) -> None:
    """PostgreSQL: bound how long each later statement of this transaction waits for a lock."""
    milliseconds = max(1, int(seconds * 1000))
    connection.execute(text("SELECT set_config('lock_timeout', :ms, true)"), {"ms": str(milliseconds)})


def cut(connection: Connection) -> None:
    """PostgreSQL: end both directions of the connection's socket, so that a wait on it in another thread ends."""
    if is_sqlite(connection):
        return
    driver: Any = connection.connection.driver_connection
    with socket.socket(fileno=os.dup(driver.fileno())) as other:
        other.shutdown(socket.SHUT_RDWR)
