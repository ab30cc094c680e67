"""Keys of the audit trail where no key file is: random ones, kept in the database as a key outside of it wrapped them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select, update

from reconciler.model.live import DatabaseState
from reconciler.store.changing import changing
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.tables import columns, equal, trail_keys
from reconciler.store.url import Database


class Wrapped(NamedTuple):
    """A key's id, the id of the key that wrapped it, and what that made of it."""

    key_id: str
    wrapped_by: str
    wrapped: bytes


def wrapped_keys(database: Database) -> list[Wrapped] | None:
    """Return the keys of the trail in the order of their ids; None for a database that has no place for them yet."""
    if not exists(database):
        return None
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return None
        chosen = select(*columns(trail_keys, Wrapped._fields)).order_by(trail_keys.c.key_id)
        return [Wrapped(*record) for record in connection.execute(chosen)]


def wrap_again(database: Database, old: Wrapped, new: Wrapped) -> None:
    """Put a key under another one; nothing is done where somebody else did so at the same time."""
    with changing(database, f"the new wrap of the audit trail's key {old.key_id}") as connection:
        another = update(trail_keys).values(wrapped_by=new.wrapped_by, wrapped=new.wrapped)
        connection.execute(another.where(equal(trail_keys, {**old._asdict(), "key_id": new.key_id})))
