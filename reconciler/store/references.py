"""The references to secrets of everything that is live."""

from __future__ import annotations

import json

from sqlalchemy import or_, select

from reconciler.model.address import Address
from reconciler.model.live import DatabaseState
from reconciler.model.secret_ref import SCHEMES, SecretRef, references_in
from reconciler.store.connect import exists, reading
from reconciler.store.dialect import body_text
from reconciler.store.schema import state_of
from reconciler.store.tables import ADDRESS, columns, resources
from reconciler.store.url import Database


def read_references(database: Database) -> list[tuple[Address, SecretRef]]:
    """Return each reference with its resource, by address; none where there is no database of ours yet."""
    if not exists(database):
        return []
    spec = body_text(resources.c.spec)
    held = or_(*(spec.like(f'%"{scheme}://%') for scheme in SCHEMES))
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return []
        records = connection.execute(select(*columns(resources, ADDRESS), spec).where(held))
        return sorted(
            (Address(*address), use.reference) for *address, body in records for use in references_in(json.loads(body))
        )
