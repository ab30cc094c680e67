"""The outbox: what is to be told to somebody, written with the change that it tells of and kept until it was delivered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, text

from reconciler.model.body import canonical
from reconciler.store.changing import changing
from reconciler.store.url import Database

WAIT_SECONDS = 10.0
CLAIM_SECONDS = 60
KEEP_DAYS = 7

_AHEAD = {
    "postgresql": f"now() + interval '{CLAIM_SECONDS} seconds'",
    "sqlite": f"strftime('%Y-%m-%dT%H:%M:%SZ','now','+{CLAIM_SECONDS} seconds')",
}
_NOW = {"postgresql": "now()", "sqlite": "strftime('%Y-%m-%dT%H:%M:%SZ','now')"}
_OLDEST = {
    "postgresql": f"now() - interval '{KEEP_DAYS} days'",
    "sqlite": f"strftime('%Y-%m-%dT%H:%M:%SZ','now','-{KEEP_DAYS} days')",
}


class Letter(NamedTuple):
    """One event for one destination; ``id`` is its idempotency key, ``event`` the JSON to send."""

    id: str
    destination: str
    event: str


def enqueue(connection: Connection, project: str, destinations: Iterable[str], event: Mapping[str, Any]) -> None:
    """Part of the caller's transaction."""
    body = canonical(event)
    letters = [{"id": str(uuid4()), "project": project, "destination": name, "event": body} for name in destinations]
    if letters:
        connection.execute(
            text("INSERT INTO outbox (id, project, destination, event) VALUES (:id, :project, :destination, :event)"),
            letters,
        )


def enqueue_alone(database: Database, project: str, destinations: Iterable[str], event: Mapping[str, Any]) -> None:
    """In a transaction of its own, for what no change of ours is behind."""
    with changing(database, "the notification", WAIT_SECONDS) as connection:
        enqueue(connection, project, destinations, event)


def claim(database: Database, project: str, destination: str) -> Letter | None:
    """The oldest letter that nobody else is about to send; ours for a minute, also if we fail or die."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        dialect = connection.dialect.name
        free = f"(claimed_until IS NULL OR claimed_until < {_NOW[dialect]})"
        skip = "" if database.is_sqlite else " FOR UPDATE SKIP LOCKED"
        record = connection.execute(
            text(
                f"UPDATE outbox SET claimed_until = {_AHEAD[dialect]}, attempts = attempts + 1 WHERE seq = (SELECT seq FROM outbox "
                f"WHERE project = :project AND destination = :destination AND {free} ORDER BY seq LIMIT 1{skip}) "
                "RETURNING id, destination, event"
            ),
            {"project": project, "destination": destination},
        ).first()
        return Letter(*record) if record else None


def delivered(database: Database, letter: Letter) -> None:
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        connection.execute(text("DELETE FROM outbox WHERE id = :id"), {"id": letter.id})


def failed(database: Database, letter: Letter, reason: str) -> None:
    """Keeps it, with the reason, for whoever tries next."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        connection.execute(
            text("UPDATE outbox SET last_error = :reason, claimed_until = NULL WHERE id = :id"),
            {"id": letter.id, "reason": reason},
        )


def drop_old(database: Database, project: str) -> dict[str, int]:
    """Gives up what could not be delivered for a week; how many, by destination."""
    with changing(database, wait_seconds=WAIT_SECONDS) as connection:
        dropped = connection.execute(
            text(
                f"DELETE FROM outbox WHERE project = :project AND created_at < {_OLDEST[connection.dialect.name]} RETURNING destination"
            ),
            {"project": project},
        ).scalars()
        names = sorted(dropped)
    return {name: names.count(name) for name in names}
