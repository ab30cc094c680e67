"""The key of the audit trail where a key of Vault's transit is all that is configured: random, wrapped by that one.

It is ``wrapped`` with the context ``reconciler audit trail key, format 1 + newline + id``. Transit needs to encrypt and decrypt only.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress

from reconciler.errors import IntegrityFailed, Refused
from reconciler.model.audit import TrailKey
from reconciler.secrets.envelope import Wrapper
from reconciler.secrets.ring import Ring
from reconciler.store.audit import keep_trail_key
from reconciler.store.changing import changing
from reconciler.store.key_checks import another
from reconciler.store.trail_keys import Wrapped, wrap_again, wrapped_keys
from reconciler.store.url import Database

_CONTEXT = b"reconciler audit trail key, format 1\n"


def trail_key(database: Database, wrapper: Wrapper) -> TrailKey:
    """Return the key that new entries are made with: the one in use, or a new one.

    A new one is kept at once; by the first entry where the database is not set up. Raises what the wrapper and the database do.
    """
    found = wrapped_keys(database)
    for one in [one for one in found or () if one.wrapped_by == wrapper.key_id][:1]:
        try:
            return TrailKey(one.key_id, wrapper.unwrap(one.wrapped, _context(one.key_id)))
        except IntegrityFailed:
            raise another(wrapper.key_id) from None
    identity, key = f"t-{secrets.token_hex(4)}", secrets.token_bytes(32)
    made = TrailKey(identity, key, wrapper.key_id, wrapper.wrap(key, _context(identity)))
    if found is None:
        return made
    with changing(database) as connection:
        keep_trail_key(connection, made)
    return trail_key(database, wrapper)  # somebody else may have kept one at the same time


def trail_keys(database: Database, ring: Ring | None) -> Mapping[str, bytes]:
    """Return every key of the trail that a key of the ring wrapped, by its id. Raises what unwrapping does."""
    return {one.key_id: wrapper.unwrap(one.wrapped, _context(one.key_id)) for one, wrapper in _known(database, ring)}


def rewrap_trail_keys(database: Database, ring: Ring) -> None:
    """Wrap every key of the trail anew, by the ring's primary key as it is now. Raises what wrapping does."""
    for one, wrapper in _known(database, ring):
        key = wrapper.unwrap(one.wrapped, _context(one.key_id))
        wrapped = ring.primary.wrap(key, _context(one.key_id))
        wrap_again(database, one, Wrapped(one.key_id, ring.primary.key_id, wrapped))


def _known(database: Database, ring: Ring | None) -> list[tuple[Wrapped, Wrapper]]:
    """Return the keys whose wrapper is in the ring; entries of the others can't be judged here."""
    found: list[tuple[Wrapped, Wrapper]] = []
    if ring is None:
        return found
    for one in wrapped_keys(database) or ():
        with suppress(IntegrityFailed, Refused):
            found.append((one, ring.by_id(one.wrapped_by)))
    return found


def _context(key_id: str) -> bytes:
    return _CONTEXT + key_id.encode()
