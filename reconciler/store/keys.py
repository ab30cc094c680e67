"""Callers' keys, issued, listed and revoked. A key belongs to the caller's uid: it follows a rename, and no name."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Table, and_, insert, or_, select
from sqlalchemy import exists as is_any

from reconciler.errors import Problem, ReconcilerError, Refused
from reconciler.kinds.nearest import nearest
from reconciler.model.status import CallerKey, moment
from reconciler.store.audit import note
from reconciler.store.changing import current, is_current
from reconciler.store.connect import exists, reading
from reconciler.store.filing import changing_status, revoked_in
from reconciler.store.pending import Pending, mark, put
from reconciler.store.secrets import Actor
from reconciler.store.status_change import shown
from reconciler.store.tables import LIFE, applied, caller_keys, columns, equal, resources, same
from reconciler.store.url import Database

MOST_ACTIVE = 2
"""Keys of one caller: the one in use, and the one that takes its place."""


def issue(database: Database, tenant: str, caller: str, max_age_days: int, actor: Actor) -> tuple[str, CallerKey]:
    """Return the key as its caller will send it, which is kept nowhere, and what is kept of it.

    Raises Refused for a caller that is not live and owned, and for a third active key.
    """
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with changing_status(database, actor, f"the key {identity} of {tenant}/{caller}") as connection:
        uid = _owned(connection, tenant, caller)
        active = [key for key in _keys(connection, tenant, uid) if key.is_active(moment(now))]
        if len(active) >= MOST_ACTIVE:
            raise Refused(
                f"{tenant}/{caller} has {len(active)} active keys already",
                code="too-many-keys",
                hint=f"revoke one: `reconciler keys revoke {tenant}/{caller} {active[0].id}`",
            )
        expires = moment(now + timedelta(days=max_age_days))
        key = CallerKey(identity, tenant, caller, uid, digest(secret), moment(now), actor.name, expires)
        connection.execute(insert(caller_keys).values({**key._asdict()}))
        fields = {"tenant": tenant, "caller": caller, "key": identity, "expires_at": expires}
        note(connection, "key-issue", actor, fields)
    return f"rk_{identity}_{secret}", key


def digest(secret: str) -> str:
    """Return SHA-256 of 256 random bits: too many to be tried."""
    return sha256(secret.encode()).hexdigest()


def revoke(database: Database, tenant: str, caller: str, identity: str, actor: Actor) -> bool:
    """Revoke a key for good, without waiting for any apply; return False where it was revoked before.

    ``filing.file`` makes the entry of the audit trail. Raises ReconcilerError (``unknown-caller``, ``unknown-key``) for a
    key that the caller does not have.
    """
    with current(database) as connection:
        known = {key.id: key for key in _of_name(connection, tenant, caller)}
        found = known.get(identity)
        if found is None:
            near = nearest(identity, known)
            raise ReconcilerError(
                f"{tenant}/{caller} has no key {identity}",
                code="unknown-key",
                hint=f"did you mean {near}?" if near else f"see `reconciler keys list {tenant}/{caller}`",
            )
        if found.revoked_at is not None:
            return False
        counter, chain = mark(connection)
    now = moment(datetime.now(UTC))
    decision = Pending(
        str(uuid4()),
        "key-revoke",
        now,
        actor.name,
        identity,
        tenant=tenant,
        caller=caller,
        counter=counter,
        chain=chain,
    )
    put(database, decision)
    return True


class IssuedKeys(NamedTuple):
    """All keys that were ever issued to a caller, the oldest first; not ``live``: the caller is gone, and they prove nothing."""

    keys: list[CallerKey]
    live: bool = True


def keys_of(database: Database, tenant: str, caller: str) -> IssuedKeys:
    """Return the keys of the caller that is live under this name; where none is, those of the callers that were.

    Raises ReconcilerError (``unknown-caller``) where there never was one.
    """
    if not exists(database):
        return IssuedKeys([])
    with reading(database) as connection:
        if not is_current(connection, database):
            return IssuedKeys([])
        uid, keys = _uid(connection, tenant, caller), _of_name(connection, tenant, caller)
        return IssuedKeys(keys, False) if uid is None else IssuedKeys([key for key in keys if key.uid == uid])


def _owned(connection: Connection, tenant: str, caller: str) -> str:
    """Return the uid of a caller that some project owns, its row locked. Raises Refused."""
    own = resources.join(applied, same(applied, resources, LIFE))
    chosen = select(resources.c.uid).select_from(own).where(_is(tenant, caller))
    found = connection.execute(chosen.with_for_update(of=resources)).scalar()
    if found is None:
        problem = Problem(
            "unknown-caller",
            f"there is no caller {tenant}/{caller}",
            hint="declare it under `callers` and apply that; then issue a key",
        )
        raise Refused(problem)
    return str(found)


def _uid(connection: Connection, tenant: str, caller: str) -> str | None:
    found = connection.execute(select(resources.c.uid).where(_is(tenant, caller))).scalar()
    return None if found is None else str(found)


def _is(tenant: str, caller: str) -> ColumnElement[bool]:
    return equal(resources, {"tenant": tenant, "kind": "caller", "name": caller})


def _of_name(connection: Connection, tenant: str, caller: str) -> list[CallerKey]:
    """Return the keys of the live caller of this name, and those that were issued under it to callers that are gone.

    Raises ReconcilerError where neither the caller nor such a key is there.
    """
    uid = _uid(connection, tenant, caller)
    k, life = caller_keys.c, ("tenant", "uid")
    of_one_gone = and_(k.caller == caller, ~is_any().where(same(resources, caller_keys, life)))
    found = read_keys(connection, k.tenant == tenant, or_(k.uid == (uid or ""), of_one_gone))
    if uid is None and not found:
        raise _unknown(connection, tenant, caller)
    return found


def _unknown(connection: Connection, tenant: str, caller: str) -> ReconcilerError:
    """Suggest the caller's name after a rename, or one that looks alike."""

    def names(table: Table, **more: str) -> list[str]:
        chosen = select(table.c.name).where(equal(table, {"tenant": tenant, "kind": "caller", **more}))
        return [str(name) for name in connection.execute(chosen).scalars()]

    moved = names(applied, moved_from=f"{tenant}/caller/{caller}")
    alike = names(resources)
    near = moved[0] if moved else nearest(caller, alike)
    hint = f"did you mean {tenant}/{near}?" if near else "see `reconciler list callers`"
    return ReconcilerError(f"there is no caller {tenant}/{caller}", code="unknown-caller", hint=hint)


def _keys(connection: Connection, tenant: str, uid: str) -> list[CallerKey]:
    return read_keys(connection, equal(caller_keys, {"tenant": tenant, "uid": uid}))


def read_keys(connection: Connection, *where: ColumnElement[bool]) -> list[CallerKey]:
    """Return keys as they count now, all where no condition is named: one whose revocation is pending is revoked."""
    chosen = select(*columns(caller_keys, CallerKey._fields)).where(*where)
    records: Any = connection.execute(chosen.order_by(caller_keys.c.created_at, caller_keys.c.id))
    found = [CallerKey(*map(shown, record)) for record in records]
    revoked = revoked_in(connection)
    return [
        key._replace(revoked_at=revoked[key.id].at, revoked_by=revoked[key.id].by) if key.id in revoked else key
        for key in found
    ]
