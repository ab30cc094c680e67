"""A value sealed and kept in the database, opened again, and put under another key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from random import uniform
from typing import NamedTuple
from uuid import uuid4

from reconciler.credentials.transit_check import require_same_key
from reconciler.errors import CredentialUnresolved, IntegrityFailed, ReconcilerError, Refused, UsageError
from reconciler.kinds.nearest import nearest
from reconciler.model.secret_ref import SecretRef
from reconciler.model.stored_secret import StoredSecret
from reconciler.secrets.envelope import Bound, counted_as, newest, rewrap, seal, unseal
from reconciler.secrets.fetch import Fetched, Opened
from reconciler.secrets.parsers import Unfit
from reconciler.secrets.ring import Ring
from reconciler.secrets.secret import Secret
from reconciler.secrets.types import part_of
from reconciler.store import secrets as store
from reconciler.store.secrets import Actor, Sealed
from reconciler.store.url import Database

PATIENCE = 30.0
"""Seconds in which a value has to find its turn among others of the same secret."""
PASSES = 5
BATCH = 100


class About(NamedTuple):
    """What is said of a secret besides its value; None leaves it as it is."""

    type: str | None = None
    description: str | None = None
    expires_at: datetime | None = None
    rotate_days: int | None = None


def keep(
    database: Database,
    ring: Ring,
    tenant: str,
    name: str,
    secret: Secret,
    about: About,
    actor: Actor,
    *,
    new: bool = True,
) -> StoredSecret:
    """Return a new secret, or the next version of one; with ``new`` false it has to be there. All or nothing.

    The value is sealed before the transaction begins (a key may be far away), and again if somebody was faster.
    Raises UsageError, Refused, CredentialUnresolved.
    """
    require_same_key(database, ring.primary)
    deadline = time.monotonic() + PATIENCE
    for lost in count(1):
        before = store.find(database, tenant, name)
        if before is None and not new:
            raise not_there(database, tenant, name)
        record = _next(before, tenant, name, about, actor, ring.primary.key_id)
        blob = seal(secret.reveal(), _bound(record), ring.primary)
        record = record._replace(key_id=counted_as(blob, ring.primary))
        event = "secret-set" if new else "secret-rotate"
        if store.write(database, Sealed(record, blob), before, actor, event):
            return record
        if time.monotonic() > deadline:
            raise ReconcilerError(f"others keep changing {tenant}/{name}", code="contended", hint="try again")
        time.sleep(uniform(0, min(1.0, 0.02 * 2**lost)))  # noqa: S311 - those who lost don't come back all at once
    raise AssertionError("a number follows every number")


def not_there(database: Database, tenant: str, name: str) -> UsageError:
    """Return the error for a secret that nobody keeps, with the one that was probably meant."""
    near = nearest(f"{tenant}/{name}", map(str, store.listed(database)))
    hint = f"did you mean {near}?" if near else "see `reconciler secrets list`"
    return UsageError(f"there is no secret {tenant}/{name}", code="unknown-secret", hint=hint)


def opener(database: Database, ring: Ring | None, actor: Actor, purpose: str, *, bound: bool = True) -> Opened:
    """Return what ``encrypted://`` is resolved with. The audit trail knows of each opening before there is a value.

    With ``bound`` a reference that was applied opens the secret that it meant then, and no other one.
    """

    def opened(tenant: str, reference: SecretRef) -> Fetched:
        name = reference.name
        taken = store.take(database, tenant, name, actor, purpose, bound=bound)
        if taken is None:
            raise CredentialUnresolved(
                f"{reference} does not resolve: the tenant {tenant} has no secret of this name",
                hint=f"reconciler secrets set {tenant}/{name}",
            )
        if ring is None:
            raise CredentialUnresolved(
                f"{reference} does not resolve: no key is configured",
                hint="RECONCILER_KEY_FILE, or `secrets.keys` or `secrets.transit` in reconciler.yaml, names one",
            )
        ends = taken.secret.expires_at
        seconds = max(0.0, (ends - datetime.now(UTC)).total_seconds()) if ends else None
        value = unseal(taken.blob, _bound(taken.secret), ring.by_id)
        whole = Secret(value)  # also where only a part is used: none of it is to be written
        found = Secret(_part(taken.secret, value, reference)) if reference.part else whole
        return Fetched(found, f"{taken.secret.uid}:{taken.secret.version}", seconds, ends, taken.another_for)

    return opened


def _part(secret: StoredSecret, value: str, reference: SecretRef) -> str:
    try:
        return part_of(secret.type, value, reference.part)
    except Unfit as error:
        raise CredentialUnresolved(f"{reference} does not resolve: {error}") from None


class Reencrypted(NamedTuple):
    """How many secrets got the primary key, which could not, with the reason, and how many others hold meanwhile."""

    done: int
    failed: tuple[tuple[StoredSecret, ReconcilerError], ...]
    left: int


def reencrypt(database: Database, ring: Ring, actor: Actor, tell: Callable[[int], None]) -> Reencrypted:
    """Put every secret under the primary key and into the current format, one transaction each; running it again goes on.

    Values are not decrypted. ``tell`` is called with the count after each. Raises CredentialUnresolved where a key is
    far away and can't be reached.
    """
    require_same_key(database, ring.primary)
    done, name = 0, newest(ring.primary)
    for _ in range(PASSES):
        failed: list[tuple[StoredSecret, ReconcilerError]] = []
        missed = 0  # got a new value at the same time, perhaps by somebody with an older key file
        for sealed in _to_rewrap(database, name):
            try:
                blob = rewrap(sealed.blob, _bound(sealed.secret), ring.by_id, ring.primary)
            except (IntegrityFailed, Refused) as error:
                failed.append((sealed.secret, error))
                continue
            written = store.rewrapped(database, sealed, counted_as(blob, ring.primary), blob, actor)
            done, missed = done + written, missed + (not written)
            tell(done)
        if not missed:
            break
    return Reencrypted(done, tuple(failed), missed)


def _to_rewrap(database: Database, key_id: str) -> Iterator[Sealed]:
    after = ""
    while batch := store.to_rewrap(database, key_id, after, BATCH):
        yield from batch
        after = batch[-1].secret.uid


def _bound(secret: StoredSecret) -> Bound:
    return Bound(secret.tenant, secret.uid, secret.version, secret.name)


def _next(before: StoredSecret | None, tenant: str, name: str, about: About, actor: Actor, key_id: str) -> StoredSecret:
    now = datetime.now(UTC)
    if before is None:
        return StoredSecret(
            tenant,
            name,
            str(uuid4()),
            1,
            about.type or "custom",
            about.description or "",
            key_id,
            now,
            actor.name,
            now,
            actor.name,
            about.expires_at,
            about.rotate_days,
        )
    return before._replace(
        version=before.version + 1,
        type=about.type or before.type,
        description=before.description if about.description is None else about.description,
        key_id=key_id,
        changed_at=now,
        changed_by=actor.name,
        expires_at=about.expires_at,  # the end of the old value says nothing of the new one
        rotate_days=before.rotate_days if about.rotate_days is None else about.rotate_days,
    )
