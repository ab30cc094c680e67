"""What every change of status does: it raises the counter of status, and shows moments as status keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from reconciler.model.status import moment

SUSPENDED = "({0}.suspended_at IS NOT NULL OR {0}.suspended_by IS NOT NULL)"
"""Whether a row of ``statuses`` says that its resource is suspended: the one judge of it, also for rows written by hand."""


def raise_counter(connection: Connection) -> int:
    """Report to runtimes that status has changed, and return the counter; its lock is held until the transaction ends."""
    return int(connection.execute(text("UPDATE status_counter SET n = n + 1 RETURNING n")).scalar_one())


def shown(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value
