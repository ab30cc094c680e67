"""Keys of the audit trail where no key file is: random ones, kept in the database as a key outside of it wrapped them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.url import Database


class Wrapped(NamedTuple):
    """A key's id, and the key as it was wrapped."""

    key_id: str
    wrapped: bytes


def wrapped_keys(database: Database, wrapped_by: str) -> list[Wrapped] | None:
    """Return the keys of the trail that a key wrapped; None for a database that has no place for them yet."""
    if not exists(database):
        return None
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return None
        sql = "SELECT key_id, wrapped FROM trail_keys WHERE wrapped_by = :by ORDER BY key_id"
        return [Wrapped(*record) for record in connection.execute(text(sql), {"by": wrapped_by})]
