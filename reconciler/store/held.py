"""What operators decided, as a plan shows it: read at once, since there is little of it beside resources."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from reconciler.model.status import Held, moment
from reconciler.store.changing import is_current
from reconciler.store.connect import exists, reading
from reconciler.store.keys import read_keys
from reconciler.store.status import entries
from reconciler.store.status_change import is_suspended, shown
from reconciler.store.tables import caller_keys, statuses
from reconciler.store.url import Database


def read_held(database: Database) -> Held:
    """Return freezes, active keys and suspensions; nothing where there is no database of ours yet."""
    if not exists(database):
        return Held()
    with reading(database) as connection:
        if not is_current(connection, database):
            return Held()
        now = moment(datetime.now(UTC))
        active = [key for key in read_keys(connection, caller_keys.c.revoked_at.is_(None)) if key.is_active(now)]
        s = statuses.c
        chosen = select(s.tenant, s.uid, s.suspended_at, s.suspended_by, s.suspended_reason)
        suspended: Any = connection.execute(chosen.where(is_suspended(statuses)))
        return Held(
            tuple(entries(connection)),
            Counter((key.tenant, key.uid) for key in active),
            {(tenant, uid): _words(*map(shown, rest)) for tenant, uid, *rest in suspended},
        )


def _words(at: str | None, by: str | None, reason: str | None) -> str:
    since, who = f"since {at}" if at else "", f"by {by}" if by else ""
    return " ".join(part for part in (since, who) if part) + (f": {reason}" if reason else "")
