"""Opens connections: read-only by construction for plans, writing ones, whose waits are bounded, for applies."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from stat import S_ISDIR
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from reconciler.errors import LockTimeout
from reconciler.store.failures import ConnectionLost, Contended, DatabaseFailed, translated, unreachable
from reconciler.store.failures import LockNotHad as LockNotHad
from reconciler.store.url import Database

CONNECT_TIMEOUT = 10
READ_WAIT = 10.0
PATIENCE = 3.0


class Patience:
    """Ends a connection on which nobody answers: a proxy without a free connection bounds no wait by itself."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + PATIENCE
        self._timer: threading.Timer | None = None
        self._socket: socket.socket | None = None
        self.ended = False

    def watch(self, connection: Any) -> None:
        self._socket = socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        self._timer = threading.Timer(self._seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        self.ended = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def over(self) -> None:
        """From now on the server itself bounds the waits."""
        if self._timer is not None and self._socket is not None:
            self._timer.cancel()
            self._socket.close()
            self._timer = None


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


def _postgresql(database: Database, patience: Patience | None) -> Engine:
    assert database.url is not None
    engine = create_engine(
        database.url,
        poolclass=NullPool,
        hide_parameters=True,
        # named prepared statements do not survive a transaction-pooling proxy
        connect_args={"prepare_threshold": None, "connect_timeout": CONNECT_TIMEOUT},
    )
    if patience is not None:
        event.listen(engine, "connect", lambda connection, _record: patience.watch(connection), insert=True)
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
    """Changing the journal's mode doesn't wait for others by itself, so it is tried until the time is over.

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
    """A read-only transaction that sees one moment: REPEATABLE READ, READ ONLY on PostgreSQL, mode=ro on SQLite.

    Raises nothing but errors that a user may see.
    """
    try:
        with _reading(database) as connection:
            yield connection
    except LockNotHad:
        raise LockTimeout(f"{database.display} is locked by another program", hint="try again later") from None
    except (ConnectionLost, Contended):
        raise DatabaseFailed(
            f"{database.display}: the connection ended while it was read", code="connection-lost", hint="try again"
        ) from None


@contextmanager
def _reading(database: Database) -> Iterator[Connection]:
    with translated(database), readable(database) as connection, connection.begin():
        yield connection


@contextmanager
def readable(database: Database) -> Iterator[Connection]:
    """A connection for reading transactions, one after the other, that the caller begins; raises what SQLAlchemy does."""
    engine = _sqlite(database, "ro", READ_WAIT) if database.is_sqlite else _postgresql(database, None)
    with engine.connect() as connection:
        if not database.is_sqlite:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.info["keys"] = database.keys
        yield connection


@contextmanager
def writing(database: Database, wait_seconds: float, create: bool = False) -> Iterator[Connection]:
    """A writing connection; the transaction is begun by the caller (``connection.begin()``).

    On SQLite that is BEGIN IMMEDIATE, which waits for other writers; on PostgreSQL READ COMMITTED (whatever the role's
    default is), so that what is read after a lock was had is what its last holder left; the first statement there is
    ``set_wait``. Only with ``create`` a SQLite file that is missing is made.
    """
    wait_seconds = max(wait_seconds, 0.001)
    patience = None if database.is_sqlite else Patience(wait_seconds)
    try:
        with translated(database):
            if database.is_sqlite:
                if create:
                    _make_folder(database)
                engine = _sqlite(database, "rwc" if create else "rw", wait_seconds)
            else:
                engine = _postgresql(database, patience).execution_options(isolation_level="READ COMMITTED")
            with engine.connect() as connection:
                connection.info.update(patience=patience, keys=database.keys)
                yield connection
    except (ConnectionLost, DatabaseFailed):
        if patience is not None and patience.ended:
            raise LockNotHad(f"{database.display}: no connection could be had in time") from None
        raise
    finally:
        if patience is not None:
            patience.over()


def _make_folder(database: Database) -> None:
    assert database.path is not None
    folder = database.path.parent
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == ".reconciler":
        (folder / ".gitignore").write_text("*\n")


def set_wait(connection: Connection, seconds: float) -> None:
    """PostgreSQL: bounds how long each later statement of this transaction waits for a lock."""
    milliseconds = max(1, int(seconds * 1000))
    connection.execute(text("SELECT set_config('lock_timeout', :ms, true)"), {"ms": str(milliseconds)})
    patience = connection.info.get("patience")
    if patience is not None:
        patience.over()
