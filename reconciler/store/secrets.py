"""Sealed secrets read and written; every transaction that touches one leaves its entry in the audit trail."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select
from sqlalchemy import delete as delete_row
from sqlalchemy import update as update_row

from reconciler.errors import IntegrityFailed, Refused
from reconciler.model.address import Address
from reconciler.model.amount import amount
from reconciler.model.audit import Actor as Actor
from reconciler.model.secret_ref import SecretRef, references_in
from reconciler.model.status import moment
from reconciler.model.stored_secret import KeyUse, StoredSecret
from reconciler.store.audit import append, newest_of
from reconciler.store.bindings import bind_unbound, meaning_another, replaced
from reconciler.store.changing import NotSetUp, Undone, changing, is_current
from reconciler.store.connect import exists, reading
from reconciler.store.dialect import Blob, body_text, insert, now
from reconciler.store.tables import columns, equal, resources, secret_keys, secrets
from reconciler.store.url import Database

MOST_WRAPS = 2**32
"""Of one key; beyond it, random nonces may repeat (NIST SP 800-38D). Each wrap also has a salt: this is the safe side."""

OLD_FORMAT = b"RCS1"
"""The beginning of blobs of format 1, which bind no name."""
_COLUMNS = columns(secrets, StoredSecret._fields)
_VALUE = ("version", "type", "description", "key_id", "changed_by", "rotate_days")
"""What each version of a secret brings, besides its blob and when it expires."""


class Sealed(NamedTuple):
    """A secret with its blob, and a live resource that means another secret of this name, where there is one."""

    secret: StoredSecret
    blob: bytes
    another_for: Address | None = None


def find(database: Database, tenant: str, name: str) -> StoredSecret | None:
    """Return what is known of a stored secret; None where there is none of the name."""
    return next(iter(listed(database, [tenant], name)), None)


def listed(database: Database, tenants: Sequence[str] = (), name: str | None = None) -> list[StoredSecret]:
    """Metadata only, in the order of tenants and names; of all tenants where none is given."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if not is_current(connection, database):
            return []
        wanted: Sequence[str | None] = [*tenants] or [None]
        found: list[StoredSecret] = []
        for tenant in dict.fromkeys(wanted):
            key = {"tenant": tenant, "name": name or None}
            own = equal(secrets, {column: value for column, value in key.items() if value is not None})
            found += map(_secret, connection.execute(select(*_COLUMNS).where(own)))
        return sorted(found, key=lambda secret: (secret.tenant, secret.name))  # databases sort by rules of their own


def write(database: Database, new: Sealed, before: StoredSecret | None, actor: Actor, event: str) -> bool:
    """Write version ``new.secret.version``; False, and nothing written, where ``before`` is not what is there."""
    secret = new.secret
    told = {
        **{name: getattr(secret, name) for name in _VALUE},
        "blob": new.blob,
        "expires_at": _moment(secret.expires_at, database),
    }
    with changing(database, f"the secret {secret.tenant}/{secret.name}") as connection:
        count_wrap(connection, secret.key_id)
        statement: Any
        if before is None:
            key = {"tenant": secret.tenant, "name": secret.name, "uid": secret.uid, "created_by": secret.created_by}
            made = insert(connection, secrets).values({**key, **told})
            statement = made.on_conflict_do_nothing(index_elements=["tenant", "name"])
        else:
            statement = update_row(secrets).values({**told, "changed_at": now()}).where(_is(secret, before.version))
        # of an INSERT, SQLAlchemy keeps the count of rows only where it is asked to
        if connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount != 1:
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
        expires = _moment(new.expires_at, database)
        values = {"description": new.description, "expires_at": expires, "rotate_days": new.rotate_days}
        if connection.execute(update_row(secrets).values(values).where(_is(new, new.version))).rowcount != 1:
            raise Undone
        log(connection, "secret-update", new, actor, {"changed": sorted(changed)})
        return True
    return False


def delete(database: Database, secret: StoredSecret, actor: Actor) -> bool:
    """Delete a secret; False where it is not there any more."""
    with changing(database, f"the deletion of the secret {secret.tenant}/{secret.name}") as connection:
        if connection.execute(delete_row(secrets).where(_is(secret))).rowcount != 1:
            raise Undone
        log(connection, "secret-delete", secret, actor)
        return True
    return False


def take(
    database: Database, tenant: str, name: str, actor: Actor, purpose: str, *, bound: bool = True
) -> Sealed | None:
    """Return a secret with its blob, once the audit trail says durably that it was taken; None where there is none.

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
        old = func.substr(secrets.c.blob, 1, len(OLD_FORMAT), type_=Blob) == OLD_FORMAT
        due = and_(or_(secrets.c.key_id != key_id, old), secrets.c.uid > after)
        chosen = select(*_COLUMNS, secrets.c.blob).where(due).order_by(secrets.c.uid).limit(limit)
        return [_with_blob(record) for record in connection.execute(chosen)]


def rewrapped(database: Database, old: Sealed, key_id: str, blob: bytes, actor: Actor) -> bool:
    """Put the same value under another key; False where the secret has a new value, or is gone."""
    secret = old.secret
    with changing(database, f"the new key of {secret.tenant}/{secret.name}") as connection:
        count_wrap(connection, key_id)
        same = equal(secrets, {"uid": secret.uid, "version": secret.version, "blob": old.blob})
        if connection.execute(update_row(secrets).values(blob=blob, key_id=key_id).where(same)).rowcount != 1:
            raise Undone
        log(connection, "secret-rewrap", secret, actor, {"from": secret.key_id, "to": key_id})
        return True
    return False


def entries(database: Database, tenants: Collection[str], name: str | None, limit: int) -> list[dict[str, Any]]:
    """Return what the audit trail says of secrets and keys, newest first; of all tenants where none is given."""
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
        spec = body_text(resources.c.spec)
        holds = spec.like(f'%"{reference.scheme}://{reference.name}%')
        chosen = select(resources.c.kind, resources.c.name, spec).where(resources.c.tenant == tenant, holds)
        return sorted(
            Address(tenant, kind, own)
            for kind, own, body in connection.execute(chosen)
            if any(use.reference.is_of(reference) for use in references_in(json.loads(body)))
        )


def key_uses(database: Database) -> dict[str, KeyUse]:
    """Return how many secrets each key encrypts."""
    if not exists(database):
        return {}
    with reading(database) as connection:
        if not is_current(connection, database):
            return {}
        k = secret_keys.c
        held = select(func.count()).where(secrets.c.key_id == k.key_id).scalar_subquery()
        uses: Any = connection.execute(select(k.key_id, k.wraps, held, k.retired_at).order_by(k.key_id))
        return {key_id: KeyUse(key_id, wraps, count, _datetime(retired)) for key_id, wraps, count, retired in uses}


def retire(database: Database, key_id: str, actor: Actor) -> None:
    """From now on nothing is wrapped with it, by whoever still thinks that it is primary. Raises Refused while in use."""
    if not exists(database):
        return
    with suppress(NotSetUp), changing(database, f"the retirement of the key {key_id}") as connection:
        count_wrap(connection, key_id, 0)
        held = connection.execute(select(func.count()).where(secrets.c.key_id == key_id)).scalar_one()
        if held:
            raise Refused(
                f"the key {key_id} still holds {amount(held, 'secret')}",
                code="key-in-use",
                hint="run `reconciler secrets reencrypt` first",
            )
        connection.execute(update_row(secret_keys).values(retired_at=now()).where(secret_keys.c.key_id == key_id))
        append(connection, {**_said("key-retire", actor), "key": key_id}, actor.key)


def count_wrap(connection: Connection, key_id: str, wraps: int = 1) -> None:
    """Part of the caller's transaction; holds the key's row. Raises Refused for a retired or worn-out key."""
    first = insert(connection, secret_keys).values(key_id=key_id, wraps=wraps)
    more = {"wraps": secret_keys.c.wraps + first.excluded.wraps}
    counted = first.on_conflict_do_update(index_elements=["key_id"], set_=more)
    count, retired = connection.execute(counted.returning(secret_keys.c.wraps, secret_keys.c.retired_at)).one()
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
    """Write the entry of what is done in the caller's transaction."""
    entry = {**_said(event, actor), "tenant": secret.tenant, "name": secret.name, "uid": secret.uid}
    append(connection, {**entry, "version": secret.version, **(more or {})}, actor.key)


def _said(event: str, actor: Actor) -> dict[str, Any]:
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, "actor": actor.name}


def _sealed(connection: Connection, tenant: str, name: str) -> Sealed | None:
    own = equal(secrets, {"tenant": tenant, "name": name})
    record = connection.execute(select(*_COLUMNS, secrets.c.blob).where(own)).first()
    return _with_blob(record) if record else None


def _with_blob(record: Any) -> Sealed:
    """Return a secret with its blob; one that is no bytes becomes an empty one, which does not open."""
    return Sealed(_secret(record[:-1]), record[-1] if isinstance(record[-1], bytes) else b"")


def _secret(record: Any) -> StoredSecret:
    """Build a secret from its row. Raises IntegrityFailed: SQLite keeps anything in any column, and others may write there."""
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


def _is(secret: StoredSecret, version: int | None = None) -> ColumnElement[bool]:
    """Return the condition on the row of this life of a secret, of any version or of one."""
    key = {"tenant": secret.tenant, "name": secret.name, "uid": secret.uid}
    return equal(secrets, key if version is None else {**key, "version": version})


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
    return moment(value)
