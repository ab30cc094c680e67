"""Callers' keys, issued, listed and revoked. A key belongs to the caller's uid: it follows a rename, and no name."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, text

from reconciler.errors import Problem, ReconcilerError, Refused
from reconciler.kinds.wording import nearest
from reconciler.model.status import CallerKey, moment
from reconciler.store.audit import note
from reconciler.store.changing import current, is_current
from reconciler.store.connect import exists, reading
from reconciler.store.filing import changing_status, revoked_in
from reconciler.store.pending import Pending, mark, put
from reconciler.store.secrets import Actor
from reconciler.store.status_change import shown
from reconciler.store.url import Database

MOST_ACTIVE = 2
"""Keys of one caller: the one in use, and the one that takes its place."""

_KEY = "id, tenant, caller, uid, digest, created_at, created_by, expires_at, revoked_at, revoked_by"


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
        connection.execute(
            text(
                "INSERT INTO caller_keys (id, tenant, caller, uid, digest, created_at, created_by, expires_at) VALUES "
                "(:id, :tenant, :caller, :uid, :digest, :created_at, :created_by, :expires_at)"
            ),
            key._asdict(),
        )
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
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE OF r"
    found = connection.execute(
        text(
            "SELECT r.uid FROM resources r JOIN applied a ON (a.tenant, a.kind, a.name, a.uid) = (r.tenant, r.kind, r.name, "
            f"r.uid) WHERE r.tenant = :tenant AND r.kind = 'caller' AND r.name = :caller{lock}"
        ),
        {"tenant": tenant, "caller": caller},
    ).scalar()
    if found is None:
        problem = Problem(
            "unknown-caller",
            f"there is no caller {tenant}/{caller}",
            hint="declare it under `callers` and apply that; then issue a key",
        )
        raise Refused(problem)
    return str(found)


def _uid(connection: Connection, tenant: str, caller: str) -> str | None:
    sql = "SELECT uid FROM resources WHERE tenant = :tenant AND kind = 'caller' AND name = :caller"
    found = connection.execute(text(sql), {"tenant": tenant, "caller": caller}).scalar()
    return None if found is None else str(found)


def _of_name(connection: Connection, tenant: str, caller: str) -> list[CallerKey]:
    """Return the keys of the live caller of this name, and those that were issued under it to callers that are gone.

    Raises ReconcilerError where neither the caller nor such a key is there.
    """
    uid = _uid(connection, tenant, caller)
    sql = (
        "(uid = :uid OR (caller = :caller AND NOT EXISTS (SELECT 1 FROM resources r WHERE (r.tenant, r.uid) = "
        "(caller_keys.tenant, caller_keys.uid)))) AND tenant = :tenant"
    )
    found = read_keys(connection, sql, {"tenant": tenant, "caller": caller, "uid": uid or ""})
    if uid is None and not found:
        raise _unknown(connection, tenant, caller)
    return found


def _unknown(connection: Connection, tenant: str, caller: str) -> ReconcilerError:
    """Suggest the caller's name after a rename, or one that looks alike."""
    values = {"tenant": tenant, "was": f"{tenant}/caller/{caller}"}

    def names(sql: str) -> list[str]:
        return [str(name) for name in connection.execute(text(sql), values).scalars()]

    moved = names("SELECT name FROM applied WHERE tenant = :tenant AND kind = 'caller' AND moved_from = :was")
    alike = names("SELECT name FROM resources WHERE tenant = :tenant AND kind = 'caller'")
    near = moved[0] if moved else nearest(caller, alike)
    hint = f"did you mean {tenant}/{near}?" if near else "see `reconciler list callers`"
    return ReconcilerError(f"there is no caller {tenant}/{caller}", code="unknown-caller", hint=hint)


def _keys(connection: Connection, tenant: str, uid: str) -> list[CallerKey]:
    return read_keys(connection, "tenant = :tenant AND uid = :uid", {"tenant": tenant, "uid": uid})


def read_keys(connection: Connection, where: str, parameters: dict[str, Any]) -> list[CallerKey]:
    """Return keys as they count now: one whose revocation is pending is revoked."""
    sql = f"SELECT {_KEY} FROM caller_keys WHERE {where} ORDER BY created_at, id"
    found = [CallerKey(*map(shown, record)) for record in connection.execute(text(sql), parameters)]
    revoked = revoked_in(connection)
    return [
        key._replace(revoked_at=revoked[key.id].at, revoked_by=revoked[key.id].by) if key.id in revoked else key
        for key in found
    ]
