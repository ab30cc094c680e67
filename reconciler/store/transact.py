"""One write transaction from BEGIN to COMMIT, whose fate is known at the end or reported as unknown."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, Transaction, text

from reconciler.committed import Fate, Write
from reconciler.errors import OutcomeUnknown, ReconcilerError
from reconciler.failpoints import hit
from reconciler.store.bounds import Bounds
from reconciler.store.connect import reading, writing
from reconciler.store.failures import ConnectionLost, Contended, DatabaseFailed, LockNotHad, ended, translated
from reconciler.store.url import Database

LOOK_UP_SECONDS = 15.0
INTERRUPTED_SECONDS = 3.0
"""What is left for the look-up after an interrupt; a second one ends it."""
_LOOK_UP = Bounds(connect=5.0, statement=2.0, total=5.0)
# a number means a transaction of this server, and of one that was restored or promoted perhaps another
_NUMBERED = "SELECT CAST(pg_current_xact_id_if_assigned() AS text), pg_postmaster_start_time()::text"


@contextmanager
def transacting(database: Database, wait_seconds: float, write: Write, create: bool = False) -> Iterator[Connection]:
    """Yield a connection inside of a transaction; commit at the end of the block, roll back on any exception.

    ``write.fate`` follows. Raises LockNotHad, Contended, DatabaseFailed and ConnectionLost where nothing was written,
    OutcomeUnknown where that can't be known.
    """
    with writing(database, wait_seconds, create) as connection, connection.begin() as begun:
        if write.what:
            connection.info["write"] = write
        yield connection
        hit("before_commit")
        commit(connection, begun, database, write)
    hit("after_commit")


def commit(connection: Connection, begun: Transaction, database: Database, write: Write) -> None:
    """Commit, and set ``write.fate``. A lost reply proves nothing: the transaction is looked up once the database answers.

    Raises what ``transacting`` does, and KeyboardInterrupt where that came first and nothing was written.
    """
    if database.is_sqlite:
        _commit_file(begun, database, write)
        return
    with translated(database):
        number, server = connection.execute(text(_NUMBERED)).one()
    if number is None:
        begun.commit()  # nothing was written
        return
    driver: Any = connection.connection.driver_connection
    driver.allowed = database.bounds.statement  # a commit waits for no lock
    write.fate = Fate.UNKNOWN
    try:
        with translated(database):
            begun.commit()
        write.fate = Fate.WRITTEN
    except (DatabaseFailed, LockNotHad, Contended):
        write.fate = Fate.NOT_WRITTEN  # the server has answered
        raise
    except (ConnectionLost, KeyboardInterrupt) as error:
        with suppress(Exception):
            connection.invalidate()  # so that the server ends what it was not told to commit
        _settle(database, write, number, server)
        if write.fate is Fate.WRITTEN:
            return
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ended(error, database, " before the commit; nothing was written", "try again") from None


def _commit_file(begun: Transaction, database: Database, write: Write) -> None:
    """Commit to a file, which answers at once: signals wait until it is known what it said."""
    with _signals_wait(), translated(database):
        begun.commit()
        write.fate = Fate.WRITTEN


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let interrupts come after the block. Only the main thread gets any, whichever thread the system delivers them to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    known = ((number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    handlers = {number: handler for number, handler in known if callable(handler)}
    try:
        for number in handlers:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for late in came:
        signal.raise_signal(signal.Signals(late))


def _settle(database: Database, write: Write, number: str, server: str) -> None:
    """Look the transaction up until ``write.fate`` is known. Raises OutcomeUnknown where the database can't be asked in time.

    An interrupt shortens the time, and is raised once the fate is known, or the time is over.
    """
    asked = replace(database, bounds=_LOOK_UP, ends=inf)
    deadline = time.monotonic() + LOOK_UP_SECONDS
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            with suppress(ReconcilerError), reading(asked) as connection:  # not yet reachable, or not again
                write.fate = _look_up(connection, write, number, server)
            if write.fate is not Fate.UNKNOWN or time.monotonic() > deadline:
                break
            time.sleep(0.3)
        except KeyboardInterrupt as error:
            if interrupt is not None:
                raise
            interrupt = error
            deadline = min(deadline, time.monotonic() + INTERRUPTED_SECONDS)
    if interrupt is not None:
        raise interrupt
    if write.fate is Fate.UNKNOWN:
        raise OutcomeUnknown(
            f"the connection ended during the commit, and the database can't be asked: {write} "
            "is in force wholly or not at all",
            hint=f"when the database answers again: `reconciler audit show {write.id}`",
        )


def _look_up(connection: Connection, write: Write, number: str, server: str) -> Fate:
    """Return UNKNOWN while the server still has the transaction open: our COMMIT may be on its way."""
    _, now = connection.execute(text(_NUMBERED)).one()
    if now == server:
        sql = text("SELECT pg_xact_status(CAST(:number AS xid8))")
        status = connection.execute(sql, {"number": number}).scalar()
        return {"in progress": Fate.UNKNOWN, "committed": Fate.WRITTEN}.get(str(status), Fate.NOT_WRITTEN)
    from reconciler.store.filing import written_in  # asks what `audit show` asks; hardly any command needs it

    # another server, or the same one started anew: its numbers may mean other transactions
    return Fate.NOT_WRITTEN if written_in(connection, write.id or "") is None else Fate.WRITTEN
