"""The audit trail: entries appended to one chain per database, and the chain read back to be verified.

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

from sqlalchemy import Connection, func, insert, or_, select, update

from reconciler.errors import IntegrityFailed
from reconciler.model.audit import Actor, AuditKey, Entry, Head, TrailKey
from reconciler.model.body import canonical
from reconciler.store import dialect
from reconciler.store.dialect import as_kept
from reconciler.store.key_checks import keep_check
from reconciler.store.tables import audit, audit_head, trail_keys

GENESIS = "0" * 64
TAKES_OVER = "unkeyed_before"
"""The member of a keyed entry that accepts the entries without a key before it; it says how many there are."""
_PURPOSE = b"reconciler audit trail, format 1"
_HEAD = select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.one == 1)


def chain_key(key: bytes) -> bytes:
    """Return a key for this purpose alone, so that no other use of the key can forge an entry."""
    return hmac.new(key, _PURPOSE, sha256).digest()


def entry_hash(previous: str, key_id: str | None, body: str, key: bytes | None) -> str:
    """Return the hash of an entry, chained to the one before; an HMAC where a key is known."""
    message = f"{previous}\n{key_id or '-'}\n{body}".encode("utf-8", "surrogateescape")
    return hmac.new(chain_key(key), message, sha256).hexdigest() if key is not None else sha256(message).hexdigest()


def append(connection: Connection, body: Mapping[str, Any], key: AuditKey, takes_over: bool = False) -> Entry:
    """Append an entry in the caller's transaction; the head's row is locked until it ends, so the chain can't fork.

    The entry names the id of the write, by which a lost commit is looked up: the transaction's, where ``body`` has none.
    ``takes_over``: an operator accepts the entries without a key before this one. The first entry ever with a key does so
    by itself; a later one does not, since somebody without the key may have put them there.
    """
    seq, previous = connection.execute(_HEAD.with_for_update()).one()
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
    connection.execute(insert(audit).values(entry._asdict()))
    connection.execute(update(audit_head).values(seq=entry.seq, hash=entry.hash).where(audit_head.c.one == 1))
    return entry


def _taken_over(connection: Connection, asked: bool) -> dict[str, int]:
    """Return the member with which an entry takes over those without a key; none where it does not."""
    key_id = audit.c.key_id
    newest = connection.execute(select(key_id).order_by(audit.c.seq.desc()).limit(1)).first()
    if newest is None or (newest.key_id is not None and not asked):
        return {}
    if not asked and connection.execute(select(audit.c.seq).where(key_id.is_not(None)).limit(1)).first():
        return {}
    count = connection.execute(select(func.count()).where(key_id.is_(None))).scalar_one()
    return {TAKES_OVER: count} if count else {}


def keep_trail_key(connection: Connection, key: TrailKey) -> None:
    """Keep a new key, in the caller's transaction."""
    row = dialect.insert(connection, trail_keys).values(key_id=key.id, wrapped_by=key.wrapped_by, wrapped=key.wrapped)
    connection.execute(row.on_conflict_do_nothing(index_elements=["key_id"]))


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
    head = connection.execute(_HEAD).first()
    texts = (as_kept(audit.c[name]) for name in ("body", "key_id", "hash"))
    chosen = select(audit.c.seq, *texts).order_by(audit.c.seq)
    records: Any = connection.execute(chosen, execution_options={"yield_per": 1000})
    entries = (Entry(seq, _text(body) or "", _text(key_id), _text(last) or "") for seq, body, key_id, last in records)
    return Chain(Head(*head) if head is not None and type(head[0]) is int else NO_HEAD, entries)


NO_HEAD = Head(-1, "")
"""Of a trail whose head is missing or no head."""


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def newest_of(connection: Connection, *events: str) -> Iterator[dict[str, Any]]:
    """Bodies of entries whose event begins with one of ``events``, newest first. Raises IntegrityFailed."""
    wanted = or_(*(audit.c.body.like(f'%"event":"{event}%') for event in events))
    chosen = select(audit.c.seq, audit.c.body).where(wanted).order_by(audit.c.seq.desc())
    records: Any = connection.execute(chosen, execution_options={"yield_per": 1000})
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
    wanted = or_(*(audit.c.body.like(f'%"{name}":"{identity}%') for name in _IDENTITIES))
    body = connection.execute(select(audit.c.body).where(wanted).order_by(audit.c.seq.desc()).limit(1)).scalar()
    return None if body is None else dict(json.loads(body))


_IDENTITIES = ("apply_id", "write")
"""Members of an entry that hold the id of the transaction that wrote it."""
_VERIFY = "`reconciler audit verify` tells the first one that was changed"
