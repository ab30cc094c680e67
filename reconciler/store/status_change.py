"""One change of status: a short transaction that raises the counter of status and leaves an entry in the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from reconciler.model.status import moment
from reconciler.store.audit import note as note
from reconciler.store.changing import changing
from reconciler.store.url import Database


@contextmanager
def changing_status(database: Database, what: str) -> Iterator[Connection]:
    """Yield, for the change that ``what`` names, with the counter locked, so that an apply that carries freezes over and this change wait for each other."""
    with changing(database, what) as connection:
        raise_counter(connection)
        yield connection


def raise_counter(connection: Connection) -> None:
    """Tell runtimes that there is something to read; holds the lock of status until the transaction ends."""
    connection.execute(text("UPDATE status_counter SET n = n + 1"))


def shown(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value
