"""Letters of the runtime's outbox in its store: added with what they tell of, claimed, settled, and given up."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler.model.body import canonical
from reconciler.model.notification import Destination, RuntimeEvent, subscribed
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.outbox import Letter
from reconciler.store.url import Database

CLAIM_SECONDS = 60.0
"""For so long a letter is its sender's, also if that one dies."""
LONGEST_WAIT = 300.0
"""Between two attempts; the first pause is two seconds, and each is twice as long as the one before."""
KEEP_SECONDS = 7 * 86400.0
"""An event that was delivered is known for so long, and one that can't be delivered is tried for so long."""
_ADD = (
    "INSERT INTO outbox (id, destination, event, at, attempts, due, last_error) "
    "VALUES (:id, :destination, :event, :at, 0, :at, '') ON CONFLICT (id, destination) DO NOTHING"
)
_CLAIM = (
    "UPDATE outbox SET due = :claimed, attempts = attempts + 1 WHERE (id, destination) = (SELECT id, destination FROM outbox "
    "WHERE destination = :destination AND delivered IS NULL AND due <= :now ORDER BY due, at, id LIMIT 1{skip}) "
    "RETURNING id, destination, event, attempts"
)
_KEY = "WHERE id = :id AND destination = :destination"


class Claimed(NamedTuple):
    """A letter that nobody else sends for ``CLAIM_SECONDS``; ``attempts`` counts this one."""

    letter: Letter
    attempts: int


def enqueue(connection: Connection, destinations: tuple[Destination, ...], event: RuntimeEvent) -> None:
    """Add an event for those who subscribed, in the caller's transaction; one that is known already adds nothing."""
    body, now = canonical(event.document()), now_of(connection)
    for name in subscribed(destinations, event.type):
        connection.execute(text(_ADD), {"id": event.id, "destination": name, "event": body, "at": now})


def claim(store: Database, destination: Destination) -> Claimed | None:
    """Return the letter that is due first; None where there is none. Raises what the store says."""
    with writing_store(store) as connection:
        now = now_of(connection)
        sql = _CLAIM.format(skip="" if store.is_sqlite else " FOR UPDATE SKIP LOCKED")
        values = {"destination": destination.name, "now": now, "claimed": now + CLAIM_SECONDS}
        found = connection.execute(text(sql), values).first()
        return Claimed(Letter(*found[:3]), int(found[3])) if found else None


def settle(store: Database, claimed: Claimed, reason: str | None) -> None:
    """Note that a letter was delivered (no ``reason``), or when to try again. Raises what the store says."""
    with writing_store(store) as connection:
        now, letter = now_of(connection), claimed.letter
        due = now + min(LONGEST_WAIT, 2.0**claimed.attempts)
        values = {"id": letter.id, "destination": letter.destination, "now": now, "due": due, "reason": reason}
        change = "delivered = :now" if reason is None else "due = :due, last_error = :reason"
        connection.execute(text(f"UPDATE outbox SET {change} {_KEY}"), values)


def drop_old(store: Database) -> list[str]:
    """Remove what is older than ``KEEP_SECONDS``; return the destination of each letter that was not delivered."""
    with writing_store(store) as connection:
        oldest = now_of(connection) - KEEP_SECONDS
        sql = "DELETE FROM outbox WHERE at < :oldest RETURNING destination, delivered"
        found = connection.execute(text(sql), {"oldest": oldest})
        return sorted(name for name, delivered in found if delivered is None)
