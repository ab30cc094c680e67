"""Sealed secrets read and written; every transaction that touches one leaves its entry in the audit trail."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.errors import IntegrityFailed, Refused
from reconciler.model.address import Address
from reconciler.model.audit import Actor as Actor
from reconciler.model.secret_ref import SecretRef, references_in
from reconciler.model.stored_secret import KeyUse, StoredSecret
from reconciler.store.audit import append, newest_of
from reconciler.store.bindings import bind_unbound, meaning_another, replaced
from reconciler.store.changing import NotSetUp, Undone, changing, is_current
from reconciler.store.connect import exists, reading
from reconciler.store.url import Database

MOST_WRAPS = 2**32
"""Of one key; beyond it, random nonces may repeat (NIST SP 800-38D). Each wrap also has a salt: this is the safe side."""

OLD_FORMAT = b"RCS1"
"""The beginning of blobs of format 1, which bind no name."""
_COLUMNS = ", ".join(StoredSecret._fields)


class Sealed(NamedTuple):
    """A secret with its blob, and a live resource that means another secret of this name, where there is one."""

    secret: StoredSecret
    blob: bytes
    another_for: Address | None = None


def find(database: Database, tenant: str, name: str) -> StoredSecret | None:
    return next(iter(listed(database, [tenant], name)), None)


def listed(database: Database, tenants: Sequence[str] = (), name: str | None = None) -> list[StoredSecret]:
    """Metadata only, in the order of tenants and names; of all tenants where none is given."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if not is_current(connection, database):
            return []
        sql = f"SELECT {_COLUMNS} FROM secrets WHERE (:all = 1 OR tenant = :tenant) AND (:name = '' OR name = :name)"
        wanted: Sequence[str | None] = [*tenants] or [None]
        found: list[StoredSecret] = []
        for tenant in dict.fromkeys(wanted):
            values = {"all": int(tenant is None), "tenant": tenant or "", "name": name or ""}
            found += map(_secret, connection.execute(text(sql), values))
        return sorted(found, key=lambda secret: (secret.tenant, secret.name))  # databases sort by rules of their own


def write(database: Database, new: Sealed, before: StoredSecret | None, actor: Actor, event: str) -> bool:
    """Writes version ``new.secret.version``; False, and nothing written, where ``before`` is not what is there."""
    secret = new.secret
    values: dict[str, Any] = {
        **secret._asdict(),
        "blob": new.blob,
        "expires_at": _moment(secret.expires_at, database),
        "was": before.version if before else 0,
    }
    with changing(database, f"the secret {secret.tenant}/{secret.name}") as connection:
        count_wrap(connection, secret.key_id)
        if before is None:
            sql = (
                "INSERT INTO secrets (tenant, name, uid, version, type, description, blob, key_id, created_by, changed_by, "
                "expires_at, rotate_days) VALUES (:tenant, :name, :uid, :version, :type, :description, :blob, :key_id, "
                ":created_by, :changed_by, :expires_at, :rotate_days) ON CONFLICT (tenant, name) DO NOTHING"
            )
        else:
            sql = (
                "UPDATE secrets SET version = :version, type = :type, description = :description, blob = :blob, key_id = :key_id, "
                f"changed_by = :changed_by, changed_at = {_NOW[connection.dialect.name]}, expires_at = :expires_at, "
                "rotate_days = :rotate_days WHERE tenant = :tenant AND name = :name AND uid = :uid AND version = :was"
            )
        if connection.execute(text(sql), values).rowcount != 1:
            raise Undone
        if before is None:
            bind_unbound(connection, secret)
        log(connection, event, secret, actor)
        return True
    return False


def update(database: Database, new: StoredSecret, before: StoredSecret, actor: Actor) -> bool:
    """Write what is said of a secret besides its value; False where ``before`` is not what is there."""
    told = ("description", "expires_at", "rotate_days")
    changed = {name: getattr(new, name) for name in told if getattr(new, name) != getattr(before, name)}
    with changing(database, f"the description of the secret {new}") as connection:
        sql = (
            "UPDATE secrets SET description = :description, expires_at = :expires_at, rotate_days = :rotate_days "
            "WHERE tenant = :tenant AND name = :name AND uid = :uid AND version = :version"
        )
        values = {**new._asdict(), "expires_at": _moment(new.expires_at, database)}
        if connection.execute(text(sql), values).rowcount != 1:
            raise Undone
        log(connection, "secret-update", new, actor, {"changed": sorted(changed)})
        return True
    return False


def delete(database: Database, secret: StoredSecret, actor: Actor) -> bool:
    """False where it is not there any more."""
    with changing(database, f"the deletion of the secret {secret.tenant}/{secret.name}") as connection:
        sql = "DELETE FROM secrets WHERE tenant = :tenant AND name = :name AND uid = :uid"
        if connection.execute(text(sql), secret._asdict()).rowcount != 1:
            raise Undone
        log(connection, "secret-delete", secret, actor)
        return True
    return False


def take(
    database: Database, tenant: str, name: str, actor: Actor, purpose: str, *, bound: bool = True
) -> Sealed | None:
    """A secret with its blob, once the audit trail says durably that it was taken; None where there is none.

    Raises IntegrityFailed where a live resource means another secret of this name, unless ``bound`` is false: for a look
    at what an apply would bind.
    """
    if not exists(database):
        return None
    taken = None
    with suppress(NotSetUp), changing(database) as connection:
        if (taken := _sealed(connection, tenant, name)) is None:
            raise Undone
        taken = taken._replace(another_for=meaning_another(connection, taken.secret))
        if bound and taken.another_for is not None:
            raise replaced(taken.secret, taken.another_for)
        log(connection, "secret-access", taken.secret, actor, {"purpose": purpose})
    return taken


def to_rewrap(database: Database, key_id: str, after: str, limit: int) -> list[Sealed]:
    """Secrets that another key than ``key_id`` holds, or an older format of blobs, by uid, behind the uid ``after``."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if not is_current(connection, database):
            return []
        sql = (
            f"SELECT {_COLUMNS}, blob FROM secrets WHERE (key_id <> :key OR substr(blob, 1, 4) = :old) AND uid > :after "
            "ORDER BY uid LIMIT :limit"
        )
        values = {"key": key_id, "old": OLD_FORMAT, "after": after, "limit": limit}
        records = connection.execute(text(sql), values)
        return [_with_blob(record) for record in records]


def rewrapped(database: Database, old: Sealed, key_id: str, blob: bytes, actor: Actor) -> bool:
    """Puts the same value under another key; False where the secret has a new value, or is gone."""
    secret = old.secret
    with changing(database, f"the new key of {secret.tenant}/{secret.name}") as connection:
        count_wrap(connection, key_id)
        sql = "UPDATE secrets SET blob = :blob, key_id = :key WHERE uid = :uid AND version = :version AND blob = :was"
        values = {"blob": blob, "key": key_id, "uid": secret.uid, "version": secret.version, "was": old.blob}
        if connection.execute(text(sql), values).rowcount != 1:
            raise Undone
        log(connection, "secret-rewrap", secret, actor, {"from": secret.key_id, "to": key_id})
        return True
    return False


def entries(database: Database, tenants: Collection[str], name: str | None, limit: int) -> list[dict[str, Any]]:
    """What the audit trail says of secrets and keys, newest first; of all tenants where none is given."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if not is_current(connection, database):
            return []
        found = (
            entry
            for entry in newest_of(connection, "secret-", "key-")
            if (not tenants or entry.get("tenant") in tenants) and (name is None or entry.get("name") == name)
        )
        return [*islice(found, limit)]


def users(database: Database, tenant: str, reference: SecretRef) -> list[Address]:
    """Return the live resources that refer to the secret: to the whole or a part of it, in any version."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if not is_current(connection, database):
            return []
        cast = "" if database.is_sqlite else "::text"
        sql = f"SELECT kind, name, spec{cast} FROM resources WHERE tenant = :tenant AND spec{cast} LIKE :reference"
        values = {"tenant": tenant, "reference": f'%"{reference.scheme}://{reference.name}%'}
        return sorted(
            Address(tenant, kind, own)
            for kind, own, spec in connection.execute(text(sql), values)
            if any(use.reference.is_of(reference) for use in references_in(json.loads(spec)))
        )


def key_uses(database: Database) -> dict[str, KeyUse]:
    if not exists(database):
        return {}
    with reading(database) as connection:
        if not is_current(connection, database):
            return {}
        sql = (
            "SELECT k.key_id, k.wraps, (SELECT count(*) FROM secrets s WHERE s.key_id = k.key_id), k.retired_at "
            "FROM secret_keys k ORDER BY k.key_id"
        )
        return {r[0]: KeyUse(r[0], r[1], r[2], _datetime(r[3])) for r in connection.execute(text(sql))}


def retire(database: Database, key_id: str, actor: Actor) -> None:
    """From now on nothing is wrapped with it, by whoever still thinks that it is primary. Raises Refused while in use."""
    if not exists(database):
        return
    with suppress(NotSetUp), changing(database, f"the retirement of the key {key_id}") as connection:
        count_wrap(connection, key_id, 0)
        held = connection.execute(
            text("SELECT count(*) FROM secrets WHERE key_id = :key"), {"key": key_id}
        ).scalar_one()
        if held:
            raise Refused(
                f"the key {key_id} still holds {held} secret{'s' if held > 1 else ''}",
                code="key-in-use",
                hint="run `reconciler secrets reencrypt` first",
            )
        now = _NOW[connection.dialect.name]
        connection.execute(text(f"UPDATE secret_keys SET retired_at = {now} WHERE key_id = :key"), {"key": key_id})
        append(connection, {**_said("key-retire", actor), "key": key_id}, actor.key)


def count_wrap(connection: Connection, key_id: str, wraps: int = 1) -> None:
    """Part of the caller's transaction; holds the key's row. Raises Refused for a retired or worn-out key."""
    sql = (
        "INSERT INTO secret_keys (key_id, wraps) VALUES (:key, :wraps) ON CONFLICT (key_id) "
        "DO UPDATE SET wraps = secret_keys.wraps + :wraps RETURNING wraps, retired_at"
    )
    count, retired = connection.execute(text(sql), {"key": key_id, "wraps": wraps}).one()
    if retired is not None and wraps:
        raise Refused(
            f"the key {key_id} is retired", code="key-retired", hint="this key file is old: fetch the current one"
        )
    if count > MOST_WRAPS:
        raise Refused(
            f"the key {key_id} has wrapped {MOST_WRAPS} data keys, which is as many as is safe",
            code="key-worn-out",
            hint="`reconciler secrets keys add`, then `promote` the new one",
        )


def log(
    connection: Connection, event: str, secret: StoredSecret, actor: Actor, more: Mapping[str, Any] | None = None
) -> None:
    """The entry of what is done in the caller's transaction."""
    entry = {**_said(event, actor), "tenant": secret.tenant, "name": secret.name, "uid": secret.uid}
    append(connection, {**entry, "version": secret.version, **(more or {})}, actor.key)


def _said(event: str, actor: Actor) -> dict[str, Any]:
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, "actor": actor.name}


def _sealed(connection: Connection, tenant: str, name: str) -> Sealed | None:
    sql = f"SELECT {_COLUMNS}, blob FROM secrets WHERE tenant = :tenant AND name = :name"
    record = connection.execute(text(sql), {"tenant": tenant, "name": name}).first()
    return _with_blob(record) if record else None


def _with_blob(record: Any) -> Sealed:
    """A blob that is no bytes is an empty one, which does not open."""
    return Sealed(_secret(record[:-1]), record[-1] if isinstance(record[-1], bytes) else b"")


def _secret(record: Any) -> StoredSecret:
    """Raises IntegrityFailed: SQLite keeps anything in any column, and others may write there."""
    found = StoredSecret(*record)
    try:
        created, changed = _datetime(found.created_at), _datetime(found.changed_at)
        expires = _datetime(found.expires_at)
    except (ValueError, OverflowError):
        created = changed = expires = None
    texts = (found.tenant, found.name, found.uid, found.type, found.key_id)
    whole = isinstance(found.version, int) and found.version > 0 and isinstance(found.rotate_days, int | None)
    if not (whole and created and changed and all(isinstance(one, str) for one in texts)):
        raise IntegrityFailed(
            f"the row of the secret {str(found.tenant)[:63]!r}/{str(found.name)[:63]!r} is not as it was written",
            code="secret-damaged",
            hint="restore it from a backup, or delete the row; `reconciler secrets access-log` tells who did what",
        )
    return found._replace(created_at=created, changed_at=changed, expires_at=expires)


_NOW = {"postgresql": "now()", "sqlite": "strftime('%Y-%m-%dT%H:%M:%SZ','now')"}


def _datetime(value: Any) -> datetime | None:
    """In UTC, whatever the session's time zone is. Raises ValueError, OverflowError."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime | None):
        raise ValueError
    return value.astimezone(UTC) if value else None


def _moment(value: datetime | None, database: Database) -> Any:
    if value is None or not database.is_sqlite:
        return value
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # %Y writes the year 1 as 1
