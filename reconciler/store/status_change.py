"""What every change of status does: it raises the counter of status, and shows moments as status keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, or_, update

from reconciler.model.status import moment
from reconciler.store.tables import status_counter

_RAISE = update(status_counter).values(n=status_counter.c.n + 1).returning(status_counter.c.n)


def is_suspended(row: FromClause) -> ColumnElement[bool]:
    """Return whether a row of `statuses` says that its resource is suspended: the one judge, also of rows written by hand."""
    return or_(row.c.suspended_at.is_not(None), row.c.suspended_by.is_not(None))


def raise_counter(connection: Connection) -> int:
    """Report to runtimes that status has changed, and return the counter; its lock is held until the transaction ends."""
    return int(connection.execute(_RAISE).scalar_one())


def shown(value: Any) -> Any:
    """Return a value as status shows it: times as text."""
    return moment(value) if isinstance(value, datetime) else value
