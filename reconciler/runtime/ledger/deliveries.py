"""Messages in the runtime's store: accepted once, gathered into digests, claimed, settled, counted, and removed.

A row of ``deliveries`` is what is sent at once: one message, or those of a digest's window. Every moment is the store's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.use_counts import Key
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

CLAIM_SECONDS = 300.0
"""For so long a delivery is its server's, also if that one dies; an attempt is bounded below it."""
SAME_SECONDS = 86400.0
"""For so long an equal message is a duplicate."""
GIVE_UP_SECONDS = 86400.0
"""After so long without success a delivery is dead."""
KEEP_SECONDS = 7 * 86400.0
"""For so long an ended delivery is counted; its text is removed when it ends."""
LONGEST_WAIT = 300.0
"""Between two attempts; the first pause is two seconds, and each is twice as long as the one before."""
MOST_WAITING = 10_000
"""Deliveries that wait for one connector."""
MOST_TEXTS = 100
"""Texts that a digest keeps; of the rest it has the number."""
_OPEN = "state = 'waiting' AND attempts = 0 AND due > :now"
_ACCEPT_KEY = """INSERT INTO message_keys AS k (tenant, template, key, message, delivery, at)
  VALUES (:tenant, :template_uid, :key, :id, :id, :now)
  ON CONFLICT (tenant, template, key) DO UPDATE SET message = :id, delivery = :id, at = :now WHERE k.at <= :before
  RETURNING message"""
_ADD = """INSERT INTO deliveries
  (id, tenant, connector, uid, template, template_uid, digest, messages, at, first_due, due, attempts, done, state, last_error)
  VALUES (:id, :tenant, :connector, :uid, :template, :template_uid, :digest, 1, :now, :due, :due, 0, '[]', 'waiting', '')"""
_CLAIM = """UPDATE deliveries SET due = :claimed, attempts = attempts + 1 WHERE id = (SELECT id FROM deliveries
  WHERE tenant = :tenant AND connector = :connector AND state = 'waiting' AND due <= :now ORDER BY due, at, id LIMIT 1{skip})
  RETURNING id, uid, template, template_uid, messages, first_due, attempts, done"""
_SETTLE = "UPDATE deliveries SET {change} WHERE id = :id AND state = 'waiting' AND attempts = :attempts"


class Full(Exception):
    """Too many deliveries wait for this connector already."""


class Addition(NamedTuple):
    """A message to accept. ``key`` makes it a duplicate of others, "" without; ``digest`` gathers it with others for ``window`` seconds.

    ``uid`` is the connector's; ``body`` is kept as it is, ``sealed`` or not.
    """

    id: str
    tenant: str
    connector: str
    uid: str
    template: str
    template_uid: str
    key: str
    digest: str
    window: float
    sealed: bool
    body: bytes


class Kept(NamedTuple):
    """A message as it is kept."""

    id: str
    sealed: bool
    body: bytes


class Claimed(NamedTuple):
    """A delivery that nobody else makes for ``CLAIM_SECONDS``. ``attempts`` counts this one; ``done`` are addresses that have it."""

    id: str
    tenant: str
    connector: str
    uid: str
    template: str
    template_uid: str
    total: int
    first_due: float
    attempts: int
    done: tuple[str, ...]
    messages: tuple[Kept, ...]


class Ending(NamedTuple):
    """What came of an attempt: delivered without a ``reason``; else tried again, after ``wait`` seconds if it was said, or dead."""

    done: tuple[str, ...]
    reason: str = ""
    again: bool = True
    wait: float | None = None


class Backlog(NamedTuple):
    """Of one connector: deliveries that wait, the dead of the last week, the age of the oldest that waits, and its last error."""

    waiting: int = 0
    dead: int = 0
    oldest_seconds: float | None = None
    last_error: str = ""


def accept(store: Database, one: Addition) -> str | None:
    """Keep a message; return None, or the id of the one that it is a duplicate of. Raises Full, and what the store says."""
    with writing_store(store) as connection:
        now = now_of(connection)
        values = {**one._asdict(), "now": now, "due": now + one.window}
        if one.key and (same := _duplicate(connection, values)):
            return same
        delivery = _window(connection, values) if one.digest else None
        if delivery is None:
            _require_room(connection, values)
            connection.execute(text(_ADD), values)
        else:
            connection.execute(
                text("UPDATE message_keys SET delivery = :to WHERE delivery = :id"), values | {"to": delivery}
            )
        _keep(connection, values, delivery or one.id)
        return None


def _duplicate(connection: Connection, values: dict[str, Any]) -> str | None:
    """Claim the key; return the id of the message that has it. Two at a time: the second waits for the first, and sees it."""
    taken = connection.execute(text(_ACCEPT_KEY), values | {"before": values["now"] - SAME_SECONDS}).scalar()
    if taken is not None:
        return None
    where = "tenant = :tenant AND template = :template_uid AND key = :key"
    return str(connection.execute(text(f"SELECT message FROM message_keys WHERE {where}"), values).scalar_one())


def _window(connection: Connection, values: dict[str, Any]) -> str | None:
    """Return the delivery whose window is open, with one message more; None where there is none."""
    lock = ""
    if connection.dialect.name == "postgresql":
        # one at a time: two first messages would open two windows
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:digest, 4071853829406117))"),
            {"digest": values["digest"]},
        )
        lock = " FOR UPDATE"  # whoever claims it meanwhile waits, and reads what is added here
    where = f"tenant = :tenant AND digest = :digest AND {_OPEN}"
    found = connection.execute(
        text(f"SELECT id FROM deliveries WHERE {where} ORDER BY due LIMIT 1{lock}"), values
    ).scalar()
    if found is None:
        return None
    connection.execute(text("UPDATE deliveries SET messages = messages + 1 WHERE id = :id"), {"id": found})
    return str(found)


def _require_room(connection: Connection, values: dict[str, Any]) -> None:
    sql = "SELECT count(*) FROM deliveries WHERE tenant = :tenant AND uid = :uid AND state = 'waiting'"
    if connection.execute(text(sql), values).scalar_one() >= MOST_WAITING:
        raise Full


def _keep(connection: Connection, values: dict[str, Any], delivery: str) -> None:
    kept = connection.execute(text("SELECT count(*) FROM messages WHERE delivery = :to"), {"to": delivery}).scalar_one()
    if kept < MOST_TEXTS:
        sql = "INSERT INTO messages (id, delivery, tenant, sealed, body) VALUES (:id, :to, :tenant, :as_sealed, :body)"
        connection.execute(text(sql), values | {"to": delivery, "as_sealed": int(values["sealed"])})


def due(store: Database) -> list[tuple[str, str]]:
    """Return the tenants and names of connectors for which something is due. Raises what the store says."""
    with opened(store) as connection:
        sql = "SELECT DISTINCT tenant, connector FROM deliveries WHERE state = 'waiting' AND due <= :now"
        return [(tenant, name) for tenant, name in connection.execute(text(sql), {"now": now_of(connection)})]


def claim(store: Database, tenant: str, connector: str) -> Claimed | None:
    """Return the delivery that is due first; None where there is none. Raises what the store says."""
    with writing_store(store) as connection:
        now = now_of(connection)
        sql = _CLAIM.format(skip="" if store.is_sqlite else " FOR UPDATE SKIP LOCKED")
        values = {"tenant": tenant, "connector": connector, "now": now, "claimed": now + CLAIM_SECONDS}
        found = connection.execute(text(sql), values).first()
        if found is None:
            return None
        identity, uid, template, template_uid, count, first_due, attempts, done = found
        rows = connection.execute(
            text("SELECT id, sealed, body FROM messages WHERE delivery = :id ORDER BY id"), {"id": identity}
        )
        kept = tuple(Kept(name, bool(sealed), bytes(body)) for name, sealed, body in rows)
        about = identity, tenant, connector, uid, template, template_uid, int(count), float(first_due), int(attempts)
        return Claimed(*about, tuple(json.loads(done)), kept)


def settle(store: Database, claimed: Claimed, ending: Ending) -> bool:
    """Note what came of an attempt; return whether the delivery is dead. A former holder writes nothing. Raises what the store says."""
    with writing_store(store) as connection:
        now = now_of(connection)
        wait = min(LONGEST_WAIT, 2.0**claimed.attempts) if ending.wait is None else ending.wait
        is_dead = bool(ending.reason) and (not ending.again or now - claimed.first_due >= GIVE_UP_SECONDS)
        values = {
            "id": claimed.id, "attempts": claimed.attempts, "now": now, "due": now + wait, "reason": ending.reason,
            "done": json.dumps(ending.done), "state": "dead" if is_dead else "sent",
        }  # fmt: skip
        if ending.reason and not is_dead:
            connection.execute(text(_SETTLE.format(change="due = :due, done = :done, last_error = :reason")), values)
            return False
        change = "state = :state, done = :done, last_error = :reason, ended = :now"
        if connection.execute(text(_SETTLE.format(change=change)), values).rowcount:
            connection.execute(text("DELETE FROM messages WHERE delivery = :id"), values)
            if is_dead:  # nobody got it: the same may be sent again
                connection.execute(text("DELETE FROM message_keys WHERE delivery = :id"), values)
        return is_dead


def drop_old(store: Database) -> None:
    """Remove deliveries that ended long ago, and keys that no longer make duplicates. Raises what the store says."""
    with writing_store(store) as connection:
        now = now_of(connection)
        connection.execute(text("DELETE FROM deliveries WHERE ended < :at"), {"at": now - KEEP_SECONDS})
        connection.execute(text("DELETE FROM message_keys WHERE at < :at"), {"at": now - SAME_SECONDS})


def backlogs_of(store: Database, tenants: Sequence[str] = ()) -> dict[Key, Backlog]:
    """Return what waits and what is dead, by tenant and uid of the connector. Raises what a reader may see."""
    with opened(store, tuple(tenants)) as connection:
        now = now_of(connection)
        sql = (
            "SELECT tenant, uid, sum(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), "
            "min(CASE WHEN state = 'waiting' THEN at END) FROM deliveries WHERE state <> 'sent' GROUP BY tenant, uid"
        )
        counted = [*connection.execute(text(sql))]
        errors = "SELECT tenant, uid, last_error FROM deliveries WHERE state <> 'sent' AND last_error <> '' ORDER BY id"
        last: dict[Key, str] = {(tenant, uid): error for tenant, uid, error in connection.execute(text(errors))}
        return {
            (tenant, uid): Backlog(
                int(waiting), int(dead), None if oldest is None else max(0.0, now - oldest), last.get((tenant, uid), "")
            )
            for tenant, uid, waiting, dead, oldest in counted
            if not tenants or tenant in tenants
        }


def sealed_bodies(store: Database) -> Iterable[tuple[str, bytes]]:
    """Return the ids and the bodies of messages that are kept sealed. Raises what the store says."""
    with opened(store) as connection:
        found = connection.execute(text("SELECT id, body FROM messages WHERE sealed = 1 ORDER BY id"))
        return [(identity, bytes(body)) for identity, body in found]
