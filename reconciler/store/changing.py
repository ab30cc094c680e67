"""A short transaction of its own: what is kept besides resources (secrets, letters), changed in bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection

from reconciler.committed import Write, record
from reconciler.errors import LockTimeout, Refused
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading
from reconciler.store.failures import ConnectionLost, Contended, LockNotHad, ended
from reconciler.store.schema import require_usable, state_of, upgrade
from reconciler.store.transact import transacting
from reconciler.store.url import Database

WAIT_SECONDS = 30.0


class Undone(Exception):
    """Raised inside the block to roll back: what is there is not as it was expected."""


class NotSetUp(Refused):
    """The database has no tables yet."""

    code = "database-empty"


@contextmanager
def changing(
    database: Database, what: str | None = None, wait_seconds: float | None = None, identity: str | None = None
) -> Iterator[Connection]:
    """Yield a connection that changes; end without an error, and without a trace, where the block raises ``Undone``.

    ``what`` names the change to a user whose command ends early; without it this is no change that a command is about.
    ``identity`` is the id of the write, where the caller has one.
    Waits for locks for ``WAIT_SECONDS`` where nothing else is said. Raises NotSetUp for an empty database, Refused for
    one of another schema, LockTimeout, DatabaseFailed, OutcomeUnknown.
    """
    wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
    write = Write(what or "", identity or str(uuid4()))
    if what is not None:
        record(write)
    try:
        with transacting(database, wait_seconds, write) as connection:
            _require_set_up(connection, database)
            yield connection
    except Undone:
        return
    except LockNotHad as error:
        raise _locked(database, error) from None
    except (ConnectionLost, Contended) as error:
        raise ended(error, database, "; nothing was written", "try again") from None


@contextmanager
def current(database: Database) -> Iterator[Connection]:
    """Yield a reading connection to a database that has our tables. Raises NotSetUp, Refused, LockTimeout, DatabaseFailed."""
    with reading(database) as connection:
        _require_set_up(connection, database)
        yield connection


def _require_set_up(connection: Connection, database: Database) -> None:
    if not is_current(connection, database):
        raise NotSetUp(f"{database.display} is empty", hint="`reconciler secrets set` or an apply sets it up")


def set_up(database: Database) -> None:
    """Give an empty database its tables, as an apply would. Raises Refused, LockTimeout, DatabaseFailed."""
    if exists(database):
        with reading(database) as connection:
            if is_current(connection, database):
                return
    try:
        upgrade(database, WAIT_SECONDS, only_empty=True)
    except LockNotHad as error:
        raise _locked(database, error) from None


def is_current(connection: Connection, database: Database) -> bool:
    """Whether the schema is current; False for an empty database. Raises Refused."""
    state = state_of(connection)
    require_usable(state, database)
    return state is DatabaseState.CURRENT


def _locked(database: Database, error: LockNotHad) -> LockTimeout:
    return LockTimeout(str(error) or f"{database.display} is locked by another program", hint="try again later")
