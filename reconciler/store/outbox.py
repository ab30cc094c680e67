"""The outbox: notifications written in the transaction of their change, and kept until they were delivered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from reconciler.model.body import canonical
from reconciler.store.changing import changing
from reconciler.store.dialect import from_now, now
from reconciler.store.tables import columns, equal, outbox
from reconciler.store.url import Database

WAIT_SECONDS = 10.0
CLAIM_SECONDS = 60
KEEP_SECONDS = 7 * 86400


class Letter(NamedTuple):
    """One event for one destination; ``id`` is its idempotency key, ``event`` the JSON to send."""

    id: str
    destination: str
    event: str


def enqueue(connection: Connection, project: str, destinations: Iterable[str], event: Mapping[str, Any]) -> None:
    """Add an event for each destination, in the caller's transaction."""
    body = canonical(event)
    letters = [{"id": str(uuid4()), "project": project, "destination": name, "event": body} for name in destinations]
    if letters:
        connection.execute(insert(outbox), letters)


def enqueue_alone(database: Database, project: str, destinations: Iterable[str], event: Mapping[str, Any]) -> None:
    """Do what ``enqueue`` does in a transaction of its own, for an event without a change of ours."""
    with changing(database, "the notification", WAIT_SECONDS) as connection:
        enqueue(connection, project, destinations, event)


def claim(database: Database, project: str, destination: str) -> Letter | None:
    """Return the oldest letter that nobody else is about to send; it is ours for a minute, also if we fail or die."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        o = outbox.alias("o")
        free = or_(o.c.claimed_until.is_(None), o.c.claimed_until < now())
        own = and_(equal(o, {"project": project, "destination": destination}), free)
        oldest = select(o.c.seq).where(own).order_by(o.c.seq).limit(1).with_for_update(skip_locked=True)
        claimed = {"claimed_until": from_now(CLAIM_SECONDS), "attempts": outbox.c.attempts + 1}
        taken = update(outbox).values(claimed).where(outbox.c.seq == oldest.scalar_subquery())
        record = connection.execute(taken.returning(*columns(outbox, Letter._fields))).first()
        return Letter(*record) if record else None


def delivered(database: Database, letter: Letter) -> None:
    """Delete a delivered notification from the outbox."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        connection.execute(delete(outbox).where(outbox.c.id == letter.id))


def failed(database: Database, letter: Letter, reason: str) -> None:
    """Keep a letter for the next attempt, with the reason."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        end = update(outbox).values(last_error=reason, claimed_until=None)
        connection.execute(end.where(outbox.c.id == letter.id))


def drop_old(database: Database, project: str) -> dict[str, int]:
    """Give up what could not be delivered for a week; return how many letters, by destination."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        old = and_(outbox.c.project == project, outbox.c.created_at < from_now(-KEEP_SECONDS))
        names = sorted(connection.execute(delete(outbox).where(old).returning(outbox.c.destination)).scalars())
    return {name: names.count(name) for name in names}
