"""Runs one apply's transaction: lock the project in bounded time, and name the holder where that is not to be had."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, event

from reconciler.committed import Fate, Write, record
from reconciler.errors import LockTimeout, ReconcilerError
from reconciler.failpoints import hit
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, set_wait
from reconciler.store.failures import LockNotHad
from reconciler.store.holder import (
    UNKNOWN,
    HolderWatch,
    announce,
    holder_on_sqlite,
    withdraw,
    withdraw_alone,
)
from reconciler.store.lease import Lease
from reconciler.store.schema import require_current, state_of
from reconciler.store.transact import transacting
from reconciler.store.transaction import Transaction
from reconciler.store.url import Database

LEAST_WAIT = 0.5
"""Seconds; PostgreSQL waits for a lock at least this long, so that the holder can be asked for."""


class NothingToDo(Exception):
    """Raised inside the block to roll back: the database is as it should be already."""


class Writer(Struct, frozen=True):
    """Who applies: shown to those who wait, kept in history."""

    apply_id: str
    project: str
    actor: str
    lineage: str
    environment: str | None


@contextmanager
def transaction(
    database: Database, writer: Writer, deadline: float, tell: Callable[[str], None]
) -> Iterator[Transaction]:
    """Yield with the project's row locked; commits at the end of the block, rolls back on any exception.

    Raises LockTimeout when ``deadline`` (of time.monotonic) passes, Contended to be tried again, ConnectionLost
    where nothing was written, OutcomeUnknown where that can't be known.
    """
    if not exists(database):
        require_current(DatabaseState.MISSING, database)
    watch = HolderWatch(tell)
    made: Transaction | None = None
    write = record(Write("apply", writer.apply_id))
    try:
        if database.is_sqlite:
            watch.start(partial(holder_on_sqlite, database, writer.apply_id))
            announce(database, writer.apply_id, writer.project, writer.actor, deadline - time.monotonic())
        hit("before_lock")
        left = deadline - time.monotonic()
        with transacting(database, left if database.is_sqlite else max(LEAST_WAIT, left), write) as connection:
            _watch_statements(connection)
            made = _locked(connection, database, writer, deadline, watch)
            hit("after_lock")
            yield made
            withdraw(connection, writer.apply_id)
            watch.end()
    except LockNotHad as error:
        raise _timeout(database, writer, str(error), watch.holder, made is not None) from None
    except BaseException as error:
        if write.fate is Fate.WRITTEN and isinstance(error, KeyboardInterrupt):
            return  # too late: it is in force, and has to be reported as that
        if database.is_sqlite:
            withdraw_alone(database, writer.apply_id)
        raise
    finally:
        watch.join()


def _timeout(database: Database, writer: Writer, reason: str, holder: str, under_lock: bool) -> LockTimeout:
    if database.is_sqlite and holder == UNKNOWN:
        with suppress(ReconcilerError):
            holder = holder_on_sqlite(database, writer.apply_id) or UNKNOWN
    what = "a row that this apply needs" if under_lock else f"the project {writer.project!r}"
    return LockTimeout(
        reason or f"the lock of {what} could not be had in time; it is held by {holder}",
        hint="wait for the other apply to end, or give more time with --lock-timeout SECONDS",
    )


def _locked(
    connection: Connection, database: Database, writer: Writer, deadline: float, watch: HolderWatch
) -> Transaction:
    made = Transaction(connection, writer.project, writer.actor)
    if database.is_sqlite:
        watch.end()  # BEGIN IMMEDIATE has the lock
    require_current(state_of(connection), database)
    pid = made.identify(f"reconciler {writer.apply_id[:8]} {writer.actor}")
    if pid is not None:
        watch.start(Lease(database, pid).look)
    before = time.monotonic()
    made.lock_project(writer.lineage, writer.environment, f"{writer.apply_id} {writer.actor}")
    if not database.is_sqlite and time.monotonic() - before > LEAST_WAIT:
        set_wait(connection, max(LEAST_WAIT, deadline - time.monotonic()))
    return made


def _watch_statements(connection: Connection) -> None:
    """Failpoints around every statement of an apply."""

    @event.listens_for(connection, "before_cursor_execute")
    def _before(*_: Any) -> None:
        hit("before_stmt")

    @event.listens_for(connection, "after_cursor_execute")
    def _after(*_: Any) -> None:
        hit("after_stmt")
