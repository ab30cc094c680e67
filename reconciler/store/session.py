"""Runs one apply's transaction: begin, lock in bounded time, commit, and look up what a lost reply left open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, event, text

from reconciler.errors import LockTimeout, OutcomeUnknown, ReconcilerError
from reconciler.failpoints import hit
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading, set_wait, writing
from reconciler.store.failures import ConnectionLost, DatabaseFailed, LockNotHad, translated
from reconciler.store.holder import (
    UNKNOWN,
    HolderWatch,
    announce,
    holder_on_postgresql,
    holder_on_sqlite,
    withdraw,
    withdraw_alone,
)
from reconciler.store.schema import require_current, state_of
from reconciler.store.transaction import Transaction
from reconciler.store.url import Database

LOOK_UP_SECONDS = 15.0
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
    """Yields with the project's row locked; commits at the end of the block, rolls back on any exception.

    Raises LockTimeout when ``deadline`` (of time.monotonic) passes, Contended to be tried again, ConnectionLost
    where nothing was written, OutcomeUnknown where that can't be known.
    """
    if not exists(database):
        require_current(DatabaseState.MISSING, database)
    watch = HolderWatch(tell)
    made: Transaction | None = None
    committed = False
    try:
        if database.is_sqlite:
            watch.start(partial(holder_on_sqlite, database, writer.apply_id))
            announce(database, writer.apply_id, writer.project, writer.actor, deadline - time.monotonic())
        with writing(database, deadline - time.monotonic()) as connection:
            _watch_statements(connection)
            hit("before_lock")
            with connection.begin() as started:
                made = _locked(connection, database, writer, deadline, watch)
                hit("after_lock")
                yield made
                withdraw(connection, writer.apply_id)
                hit("before_commit")
                watch.end()
                _commit(started.commit, database, writer.apply_id, made.number)
                committed = True
            hit("after_commit")
    except LockNotHad as error:
        raise _timeout(database, writer, str(error), watch.holder, made is not None) from None
    except BaseException as error:
        if committed and isinstance(error, KeyboardInterrupt):
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
    else:
        set_wait(connection, max(LEAST_WAIT, deadline - time.monotonic()))
    require_current(state_of(connection), database)
    pid = made.identify(f"reconciler {writer.apply_id[:8]} {writer.actor}")
    if pid is not None:
        watch.start(partial(holder_on_postgresql, database, pid))
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


def _commit(commit: Callable[[], None], database: Database, apply_id: str, number: str | None) -> None:
    """A reply to COMMIT that never came proves nothing: the apply's id tells, once the database answers again."""
    try:
        with translated(database):
            commit()
    except (ConnectionLost, DatabaseFailed, LockNotHad, KeyboardInterrupt) as error:
        if _happened(database, apply_id, number):
            return
        answered = isinstance(error, DatabaseFailed) and error.problems[0].code != "database-unreachable"
        if answered or database.is_sqlite or isinstance(error, KeyboardInterrupt):
            raise
        raise ReconcilerError(
            "the connection ended before the commit; nothing was written", code="connection-lost", hint="apply again"
        ) from None


def _happened(database: Database, apply_id: str, number: str | None) -> bool:
    deadline = time.monotonic() + LOOK_UP_SECONDS
    while True:
        try:
            if not _goes_on(database, number):
                with reading(database) as connection:
                    sql = text("SELECT 1 FROM generations WHERE apply_id = :id")
                    return connection.execute(sql, {"id": apply_id}).first() is not None
        except ReconcilerError:
            pass  # not yet reachable, or not again
        if time.monotonic() > deadline:
            raise OutcomeUnknown(
                f"the connection ended during the commit, and the database can't be asked: apply {apply_id} "
                "is in force wholly or not at all",
                hint="when the database answers again, run `reconciler plan`: it shows what is left to do",
            )
        time.sleep(0.3)


def _goes_on(database: Database, number: str | None) -> bool:
    """Whether the server still has the transaction of this number open: our COMMIT may be on its way."""
    if number is None:
        return False
    with reading(database) as connection:
        found = connection.execute(text("SELECT pg_xact_status(CAST(:number AS xid8))"), {"number": number}).scalar()
    return found == "in progress"
