"""Short transactions on the runtime's store besides the flushes of evidence, by the store's own clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from reconciler.errors import LockTimeout
from reconciler.runtime.ledger.reading import require_revision
from reconciler.runtime.ledger.schema import CLOCK
from reconciler.store.connect import writing
from reconciler.store.failures import ConnectionLost, Contended, LockNotHad, ended
from reconciler.store.url import Database

WAIT_SECONDS = 10.0


@contextmanager
def writing_store(database: Database) -> Iterator[Connection]:
    """Yield a transaction on a store of this program's revision. Raises what a user may see."""
    try:
        with writing(database, WAIT_SECONDS) as connection, connection.begin():
            require_revision(connection)
            yield connection
    except LockNotHad:
        raise LockTimeout(f"{database.display} is locked by another program", hint="try again later") from None
    except (ConnectionLost, Contended) as error:
        raise ended(error, database, "; nothing was written", "try again") from None


def now_of(connection: Connection) -> float:
    """Return the store's time, in seconds since 1970."""
    return float(connection.execute(text(f"SELECT {CLOCK[connection.dialect.name]}")).scalar_one())
