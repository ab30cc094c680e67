"""The references to secrets of everything that is live."""

from __future__ import annotations

import json

from sqlalchemy import text

from reconciler.model.address import Address
from reconciler.model.live import DatabaseState
from reconciler.model.secret_ref import SCHEMES, SecretRef, references_in
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.url import Database


def read_references(database: Database) -> list[tuple[Address, SecretRef]]:
    """In the order of addresses; none where there is no database of ours yet."""
    if not exists(database):
        return []
    spec = "spec" if database.is_sqlite else "spec::text"
    held = " OR ".join(f"{spec} LIKE '%\"{scheme}\\://%'" for scheme in SCHEMES)
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return []
        records = connection.execute(text(f"SELECT tenant, kind, name, {spec} FROM resources WHERE {held}"))
        return sorted(
            (Address(*address), use.reference) for *address, body in records for use in references_in(json.loads(body))
        )
