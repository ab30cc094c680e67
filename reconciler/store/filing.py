"""Pending decisions filed: as rows of status and entries of the audit trail, by whoever writes status next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from reconciler.errors import ReconcilerError
from reconciler.model.audit import Actor, AuditKey
from reconciler.model.live import DatabaseState
from reconciler.model.status import Freeze
from reconciler.store.audit import entry_of, note
from reconciler.store.carrying import filed_freezes, frozen_by, insert
from reconciler.store.changing import changing
from reconciler.store.connect import exists, reading
from reconciler.store.pending import Pending, forget, pending_in
from reconciler.store.schema import state_of
from reconciler.store.status_change import raise_counter
from reconciler.store.tables import caller_keys, freezes
from reconciler.store.url import Database

WAIT_SECONDS = 0.3
"""What a command waits for the lock to file a decision that is in force already."""


@contextmanager
def changing_status(
    database: Database, actor: Actor, what: str | None = None, wait_seconds: float | None = None
) -> Iterator[Connection]:
    """Yield with the counter locked and every pending decision filed: nothing overtakes what was decided before.

    ``what`` names the change, as for ``changing``.
    An apply that carries freezes over and this change wait for each other.
    """
    with changing(database, what, wait_seconds) as connection:
        raise_counter(connection)
        file_in(connection, actor.key)
        yield connection


def file(database: Database, actor: Actor) -> bool:
    """File what is pending; return False where that is left to a later writer: an apply holds the lock."""
    try:
        with changing_status(database, actor, wait_seconds=WAIT_SECONDS):
            return True
    except ReconcilerError:
        return False


def file_under_lock(connection: Connection, key: AuditKey) -> None:
    """File what is pending in the transaction of an apply, which else leaves the counter alone."""
    if pending_in(connection):
        raise_counter(connection)
        file_in(connection, key)


def file_in(connection: Connection, key: AuditKey) -> None:
    """File every pending decision in the caller's transaction, which holds the counter."""
    filed = pending_in(connection)
    for one in filed:
        if one.event == "freeze":
            _file_freeze(connection, one, key)
        else:
            _file_revocation(connection, one, key)
    forget(connection, filed)


def _file_freeze(connection: Connection, one: Pending, key: AuditKey) -> None:
    """File a freeze; one of what is frozen already is filed as lifted, so that it holds no longer than the one before."""
    before = filed_freezes(connection)
    own, *copies = frozen_by(connection, one)
    insert(connection, own)
    if any(same_target(own, other) for other in before):
        lifted = update(freezes).values(lifted_at=freezes.c.frozen_at, lifted_by=freezes.c.frozen_by)
        connection.execute(lifted.where(freezes.c.id == one.id))
        return
    for copy in copies:
        insert(connection, copy)
    _note(connection, one, key)


def _file_revocation(connection: Connection, one: Pending, key: AuditKey) -> None:
    k = caller_keys.c
    revoked = update(caller_keys).values(revoked_at=one.at, revoked_by=one.by)
    if connection.execute(revoked.where(k.id == one.target, k.revoked_at.is_(None))).rowcount:
        _note(connection, one, key)


def _note(connection: Connection, one: Pending, key: AuditKey) -> None:
    note(connection, one.event, Actor(one.by, key), _fields(one), datetime.fromisoformat(one.at))


def _fields(one: Pending) -> dict[str, str | None]:
    if one.event == "freeze":
        return {"target": one.target, "reason": one.reason, "write": one.id}
    return {"tenant": one.tenant, "caller": one.caller, "key": one.target, "write": one.id}


def written_entry(database: Database, identity: str) -> dict[str, Any] | None:
    """Return the audit trail's entry of the write ``identity``; None where there is none, and no write of this id."""
    if not exists(database):
        return None
    with reading(database) as connection:
        return written_in(connection, identity) if state_of(connection) is DatabaseState.CURRENT else None


def written_in(connection: Connection, identity: str) -> dict[str, Any] | None:
    """Return what the write ``identity`` (or of an id that begins so) has or will have in the audit trail, None for no write."""
    for one in pending_in(connection):
        if one.id.startswith(identity):
            return {"at": one.at, "event": one.event, "actor": one.by, **_fields(one), "pending": True}
    return entry_of(connection, identity)


def same_target(one: Freeze, other: Freeze) -> bool:
    """Whether both are of the same resource, or of the same name."""
    if one.uid is None or other.uid is None:
        return one.uid is other.uid and one.target == other.target
    return (one.tenant, one.uid) == (other.tenant, other.uid)


def freezes_in(connection: Connection) -> list[Freeze]:
    """Return every freeze in force, the oldest first, whether it is filed or pending."""
    pending = [one for one in pending_in(connection) if one.event == "freeze"]
    added = [freeze for one in pending for freeze in frozen_by(connection, one)]
    return sorted([*filed_freezes(connection), *added], key=lambda one: (one.frozen_at, one.id))


def revoked_in(connection: Connection) -> dict[str, Pending]:
    """Return pending revocations by the ids of their keys."""
    return {one.target: one for one in pending_in(connection) if one.event == "key-revoke"}
