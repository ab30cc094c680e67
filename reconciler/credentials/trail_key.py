"""The key of the audit trail where a key of Vault's transit is all that is configured: random, wrapped by that one.

It is ``wrapped`` with the context ``reconciler audit trail key, format 1 + newline + id``. Transit needs to encrypt and decrypt only.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from reconciler.model.audit import TrailKey
from reconciler.secrets.envelope import Wrapper
from reconciler.store.audit import keep_trail_key
from reconciler.store.changing import changing
from reconciler.store.trail_keys import wrapped_keys
from reconciler.store.url import Database

_CONTEXT = b"reconciler audit trail key, format 1\n"


def trail_key(database: Database, wrapper: Wrapper) -> TrailKey:
    """Return the key that new entries are made with: the one in use, or a new one.

    A new one is kept at once; by the first entry where the database is not set up. Raises what the wrapper and the database do.
    """
    found = wrapped_keys(database, wrapper.key_id)
    for one in (found or ())[:1]:
        return TrailKey(one.key_id, wrapper.unwrap(one.wrapped, _context(one.key_id)))
    identity, key = f"t-{secrets.token_hex(4)}", secrets.token_bytes(32)
    made = TrailKey(identity, key, wrapper.key_id, wrapper.wrap(key, _context(identity)))
    if found is None:
        return made
    with changing(database) as connection:
        keep_trail_key(connection, made)
    return trail_key(database, wrapper)  # somebody else may have kept one at the same time


def trail_keys(database: Database, wrapper: Wrapper) -> Mapping[str, bytes]:
    """Return every key of the trail that the wrapper can unwrap, by its id."""
    found = wrapped_keys(database, wrapper.key_id) or ()
    return {one.key_id: wrapper.unwrap(one.wrapped, _context(one.key_id)) for one in found}


def _context(key_id: str) -> bytes:
    return _CONTEXT + key_id.encode()
