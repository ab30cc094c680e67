"""A key of Vault's transit engine is known again: another server may have a key of the same name.

What is kept is a text that everybody knows, wrapped by the key with the context ``reconciler key check, format 1 + newline + id``.
Keys of files are compared wherever the database is opened.
"""

from __future__ import annotations

from contextlib import suppress

from reconciler.errors import CredentialUnresolved, IntegrityFailed
from reconciler.model.key_check import PURPOSE
from reconciler.model.live import DatabaseState
from reconciler.secrets.envelope import Wrapper
from reconciler.secrets.transit import PREFIX
from reconciler.store.changing import changing
from reconciler.store.connect import exists, reading
from reconciler.store.key_checks import another, keep, read_check
from reconciler.store.schema import state_of
from reconciler.store.url import Database

_KNOWN = b"\0" * 32


def require_same_key(database: Database, wrapper: Wrapper) -> None:
    """Raise IntegrityFailed for another key than the one that wrapped here under this name; keep the check of a new one.

    Where Vault does not open what is kept (a token that only encrypts, a version that is not used any more), nothing is
    compared. Raises what the wrapper and the database do.
    """
    if not wrapper.key_id.startswith(PREFIX):
        return
    context = PURPOSE + wrapper.key_id.encode()
    kept = _kept(database, wrapper.key_id)
    if kept is None:
        made = wrapper.wrap(_KNOWN, context).decode()
        with changing(database) as connection:
            keep(connection, wrapper.key_id, made)
        return
    with suppress(CredentialUnresolved):
        try:
            same = wrapper.unwrap(kept.encode(), context) == _KNOWN
        except IntegrityFailed:
            same = False
        if not same:
            raise another(wrapper.key_id)


def _kept(database: Database, key_id: str) -> str | None:
    if not exists(database):
        return None
    with reading(database) as connection:
        return read_check(connection, key_id) if state_of(connection) is DatabaseState.CURRENT else None
