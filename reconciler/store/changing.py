"""A short transaction of its own: what is kept besides resources (secrets, letters), changed in bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from reconciler.errors import LockTimeout
from reconciler.failpoints import hit
from reconciler.store.connect import set_wait, writing
from reconciler.store.failures import ConnectionLost, Contended, DatabaseFailed, LockNotHad
from reconciler.store.schema import require_current, state_of
from reconciler.store.url import Database

WAIT_SECONDS = 30.0


class Undone(Exception):
    """Raised inside the block to roll back: what is there is not as it was expected."""


@contextmanager
def changing(database: Database, wait_seconds: float = WAIT_SECONDS) -> Iterator[Connection]:
    """Ends without an error, and without a trace, where the block raises ``Undone``.

    Raises LockTimeout, Refused for a database of another schema, DatabaseFailed.
    """
    try:
        with writing(database, wait_seconds) as connection, connection.begin():
            if not database.is_sqlite:
                set_wait(connection, wait_seconds)
            require_current(state_of(connection), database)
            yield connection
            hit("before_commit")
        hit("after_commit")
    except Undone:
        return
    except LockNotHad:
        raise LockTimeout(f"{database.display} is locked by another program", hint="try again later") from None
    except (ConnectionLost, Contended):
        raise DatabaseFailed(
            f"{database.display}: the connection ended, and whether this was written is not known",
            code="connection-lost",
            hint="look what is there, and try again",
        ) from None
