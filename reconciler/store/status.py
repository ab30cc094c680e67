"""Callers' keys and freezes, read and changed; every change is in the audit trail, and raises the counter of status."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from reconciler.errors import Problem, Refused
from reconciler.model.address import Address
from reconciler.model.status import CallerKey, Freeze, Status
from reconciler.store.audit import append
from reconciler.store.changing import changing, is_current
from reconciler.store.connect import exists, reading
from reconciler.store.secrets import Actor
from reconciler.store.url import Database

MOST_ACTIVE = 2
"""Keys of one caller: the one in use, and the one that takes its place."""

_KEY = "id, tenant, caller, uid, digest, created_at, created_by, expires_at, revoked_at, revoked_by"


@lru_cache(maxsize=1024)
def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value


def issue(database: Database, tenant: str, caller: str, max_age_days: int, actor: Actor) -> tuple[str, CallerKey]:
    """The key as its caller will say it, which is told once and kept nowhere; and what is kept of it.

    Raises Refused for a caller that is not live and ours, and for a third active key.
    """
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with _changed(database) as connection:
        uid = _live(connection, tenant, caller)
        active = [key for key in _keys(connection, tenant, caller) if key.uid == uid and key.is_active(moment(now))]
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
        _log(
            connection, "key-issue", actor, {"tenant": tenant, "caller": caller, "key": identity, "expires_at": expires}
        )
    return f"rk_{identity}_{secret}", key


def digest(secret: str) -> str:
    """Of 256 random bits: nobody finds them again by trying."""
    return sha256(secret.encode()).hexdigest()


def revoke(database: Database, tenant: str, caller: str, identity: str, actor: Actor) -> bool:
    """For good; False where it was revoked before. Raises Refused for a key that the caller does not have."""
    with _changed(database) as connection:
        found = {key.id: key for key in _keys(connection, tenant, caller)}.get(identity)
        if found is None:
            raise Refused(
                f"{tenant}/{caller} has no key {identity}", code="unknown-key", hint="see `reconciler keys list`"
            )
        if found.revoked_at is not None:
            return False
        connection.execute(
            text("UPDATE caller_keys SET revoked_at = :at, revoked_by = :by WHERE id = :id"),
            {"at": moment(datetime.now(UTC)), "by": actor.name, "id": identity},
        )
        _log(connection, "key-revoke", actor, {"tenant": tenant, "caller": caller, "key": identity})
        return True


def keys_of(database: Database, tenant: str, caller: str) -> list[CallerKey]:
    """All that were ever issued, the oldest first."""
    if not exists(database):
        return []
    with reading(database) as connection:
        return _keys(connection, tenant, caller) if is_current(connection, database) else []


def freeze(database: Database, target: str, reason: str, actor: Actor) -> bool:
    """False where it is frozen already."""
    with _changed(database) as connection:
        tenant, uid = _life(connection, target)
        if _in_force(connection, target, tenant, uid):
            return False
        identity = secrets.token_hex(8)
        connection.execute(
            text(
                "INSERT INTO freezes (id, target, reason, frozen_by, tenant, uid, origin) "
                "VALUES (:id, :target, :reason, :by, :tenant, :uid, :id)"
            ),
            {
                "id": identity,
                "target": target,
                "reason": reason,
                "by": actor.name,
                "tenant": tenant,
                "uid": uid,
            },
        )
        _log(connection, "freeze", actor, {"target": target, "reason": reason})
        return True


def unfreeze(database: Database, target: str, reason: str, actor: Actor) -> bool:
    """False where it is not frozen."""
    with _changed(database) as connection:
        lifted = _in_force(connection, target, *_life(connection, target))
        for one in lifted:
            connection.execute(
                text(
                    "UPDATE freezes SET lifted_at = :at, lifted_by = :by WHERE origin = :origin AND lifted_at IS NULL"
                ),
                {"at": moment(datetime.now(UTC)), "by": actor.name, "origin": one.origin},
            )
        if lifted:
            _log(connection, "unfreeze", actor, {"target": target, "reason": reason})
        return bool(lifted)


def freezes(database: Database) -> list[Freeze]:
    if not exists(database):
        return []
    with reading(database) as connection:
        return _freezes(connection) if is_current(connection, database) else []


def read_status(database: Database) -> Status:
    """Return what counts now; nothing where there is no database of ours yet. Raises Refused."""
    if not exists(database):
        return Status()
    with reading(database) as connection:
        return status_in(connection) if is_current(connection, database) else Status()


def status_in(connection: Connection) -> Status:
    """Return what counts now, with revoked and expired keys, so that they can be refused by name."""
    keys = {key.id: key for key in _read_keys(connection, "1 = 1", {})}
    return Status(keys, tuple(_freezes(connection)))


def _live(connection: Connection, tenant: str, caller: str) -> str:
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


def _keys(connection: Connection, tenant: str, caller: str) -> list[CallerKey]:
    return _read_keys(connection, "tenant = :tenant AND caller = :caller", {"tenant": tenant, "caller": caller})


def _read_keys(connection: Connection, where: str, parameters: dict[str, Any]) -> list[CallerKey]:
    sql = f"SELECT {_KEY} FROM caller_keys WHERE {where} ORDER BY created_at, id"
    return [CallerKey(*map(_shown, record)) for record in connection.execute(text(sql), parameters)]


def _life(connection: Connection, target: str) -> tuple[str | None, str | None]:
    """Return tenant and uid of the live resource that ``target`` names; None and None for anything else."""
    try:
        address = Address.parse(target)
    except ValueError:
        return None, None
    sql = "SELECT uid FROM resources WHERE tenant = :tenant AND kind = :kind AND name = :name"
    uid = connection.execute(text(sql), address._asdict()).scalar()
    return (None, None) if uid is None else (address.tenant, str(uid))


def _in_force(connection: Connection, target: str, tenant: str | None, uid: str | None) -> list[Freeze]:
    """Return the freezes of one resource, and those of the name itself."""
    return [
        one
        for one in _freezes(connection)
        if (one.target == target if one.uid is None else (one.tenant, one.uid) == (tenant, uid))
    ]


def _freezes(connection: Connection) -> list[Freeze]:
    sql = (
        "SELECT id, target, reason, frozen_at, frozen_by, tenant, uid, origin FROM freezes "
        "WHERE lifted_at IS NULL ORDER BY target, id"
    )
    return [Freeze(*map(_shown, record)) for record in connection.execute(text(sql))]


@contextmanager
def _changed(database: Database) -> Iterator[Connection]:
    with changing(database) as connection:
        yield connection
        connection.execute(text("UPDATE status_counter SET n = n + 1"))


def _log(connection: Connection, event: str, actor: Actor, fields: dict[str, Any]) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    append(connection, {"at": at, "event": event, "actor": actor.name, **fields}, actor.key)
