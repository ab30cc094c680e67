"""The audit trail: entries appended to one chain per database, and the chain read back for whoever verifies it.

Format, also in docs/audit.md: ``hash = H(previous_hash + "\\n" + (key_id or "-") + "\\n" + body)`` as 64 hexadecimal
digits, over UTF-8. H is SHA-256 without a key, HMAC-SHA256 with one. The first entry's previous hash is 64 zeros.
The first entry with a key that stands behind entries without one takes them over, by its member ``TAKES_OVER``.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.errors import IntegrityFailed
from reconciler.model.audit import Actor, AuditKey, Entry, Head, TrailKey
from reconciler.model.body import canonical
from reconciler.store.key_checks import keep_check

GENESIS = "0" * 64
TAKES_OVER = "unkeyed_before"
"""The member of a keyed entry that accepts the entries without a key before it; it says how many there are."""
_PURPOSE = b"reconciler audit trail, format 1"


def chain_key(key: bytes) -> bytes:
    """A key of its own for this purpose, so that nothing else that uses the key can forge an entry."""
    return hmac.new(key, _PURPOSE, sha256).digest()


def entry_hash(previous: str, key_id: str | None, body: str, key: bytes | None) -> str:
    message = f"{previous}\n{key_id or '-'}\n{body}".encode("utf-8", "surrogateescape")
    return hmac.new(chain_key(key), message, sha256).hexdigest() if key is not None else sha256(message).hexdigest()


def append(connection: Connection, body: Mapping[str, Any], key: AuditKey, takes_over: bool = False) -> Entry:
    """Part of the caller's transaction; the head's row is locked until it ends, so the chain can't fork.

    The entry names the id of the write, by which a lost commit is looked up: the transaction's, where ``body`` has none.
    ``takes_over``: an operator accepts the entries without a key before this one. The first entry ever with a key does so
    by itself; a later one does not, since somebody without the key may have put them there.
    """
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    seq, previous = connection.execute(text(f"SELECT seq, hash FROM audit_head WHERE one = 1{lock}")).one()
    write = connection.info.get("write")
    named = {} if write is None or not body.keys().isdisjoint(_IDENTITIES) else {"write": write.id}
    if isinstance(key, TrailKey):
        if key.wrapped:
            keep_trail_key(connection, key)
    elif key is not None:
        keep_check(connection, *key)
    accepted = _taken_over(connection, takes_over) if key else {}
    whole = canonical({"seq": seq + 1, **body, **named, **accepted})
    key_id = key[0] if key else None
    entry = Entry(seq + 1, whole, key_id, entry_hash(previous, key_id, whole, key[1] if key else None))
    connection.execute(
        text("INSERT INTO audit (seq, body, key_id, hash) VALUES (:seq, :body, :key_id, :hash)"), entry._asdict()
    )
    connection.execute(
        text("UPDATE audit_head SET seq = :seq, hash = :hash WHERE one = 1"), {"seq": entry.seq, "hash": entry.hash}
    )
    return entry


def _taken_over(connection: Connection, asked: bool) -> dict[str, int]:
    """Return the member with which an entry takes over those without a key; none where it does not."""
    newest = connection.execute(text("SELECT key_id FROM audit ORDER BY seq DESC LIMIT 1")).first()
    if newest is None or (newest.key_id is not None and not asked):
        return {}
    if not asked and connection.execute(text("SELECT 1 FROM audit WHERE key_id IS NOT NULL LIMIT 1")).first():
        return {}
    count = connection.execute(text("SELECT count(*) FROM audit WHERE key_id IS NULL")).scalar_one()
    return {TAKES_OVER: count} if count else {}


def keep_trail_key(connection: Connection, key: TrailKey) -> None:
    """Keep a new key, in the caller's transaction."""
    sql = "INSERT INTO trail_keys (key_id, wrapped_by, wrapped) VALUES (:id, :by, :wrapped) ON CONFLICT (key_id) DO NOTHING"
    connection.execute(text(sql), {"id": key.id, "by": key.wrapped_by, "wrapped": key.wrapped})


def note(
    connection: Connection,
    event: str,
    actor: Actor,
    fields: Mapping[str, Any],
    at: datetime | None = None,
    takes_over: bool = False,
) -> None:
    """Append what an actor did ``at`` that moment (None: now), in the caller's transaction."""
    done = (at or datetime.now(UTC)).isoformat(timespec="seconds")
    append(connection, {"at": done, "event": event, "actor": actor.name, **fields}, actor.key, takes_over)


class Chain(NamedTuple):
    """The head as stored, and the entries in the order of their numbers."""

    head: Head
    entries: Iterator[Entry]


def read_chain(connection: Connection) -> Chain:
    """Return the trail, whatever somebody made of it: SQLite keeps any value in any column, and text that is no UTF-8."""
    head = connection.execute(text("SELECT seq, hash FROM audit_head WHERE one = 1")).first()
    of_text = "CAST({0} AS BLOB)" if connection.dialect.name == "sqlite" else "{0}"
    columns = ", ".join(of_text.format(column) for column in ("body", "key_id", "hash"))
    records = connection.execution_options(yield_per=1000).execute(
        text(f"SELECT seq, {columns} FROM audit ORDER BY seq")
    )
    entries = (Entry(seq, _text(body) or "", _text(key_id), _text(last) or "") for seq, body, key_id, last in records)
    return Chain(Head(*head) if head is not None and type(head[0]) is int else NO_HEAD, entries)


NO_HEAD = Head(-1, "")
"""Of a trail whose head is missing or no head."""


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def newest_of(connection: Connection, *events: str) -> Iterator[dict[str, Any]]:
    """Bodies of entries whose event begins with one of ``events``, newest first. Raises IntegrityFailed."""
    likes = {f"event{i}": f'%"event":"{event}%' for i, event in enumerate(events)}
    wanted = " OR ".join(f"body LIKE :{name}" for name in likes)
    records = connection.execution_options(yield_per=1000).execute(
        text(f"SELECT seq, body FROM audit WHERE {wanted} ORDER BY seq DESC"), likes
    )
    for seq, body in records:
        try:
            entry = json.loads(body)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise IntegrityFailed(
                f"entry {seq} of the audit trail is not as it was written", code="entry-damaged", hint=_VERIFY
            )
        if str(entry.get("event", "")).startswith(events):
            yield entry


def entry_of(connection: Connection, identity: str) -> dict[str, Any] | None:
    """Return the body of the entry that the transaction ``identity`` (or of an id that begins so) wrote, None for no entry."""
    likes = {f"like{i}": f'%"{name}":"{identity}%' for i, name in enumerate(_IDENTITIES)}
    wanted = " OR ".join(f"body LIKE :{name}" for name in likes)
    sql = text(f"SELECT body FROM audit WHERE {wanted} ORDER BY seq DESC LIMIT 1")
    body = connection.execute(sql, likes).scalar()
    return None if body is None else dict(json.loads(body))


_IDENTITIES = ("apply_id", "write")
"""Members of an entry that hold the id of the transaction that wrote it."""
_VERIFY = "`reconciler audit verify` tells the first one that was changed"
