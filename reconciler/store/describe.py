"""The structure of a live schema, read from the database's own catalogue; writes nothing and needs no privileges."""

from __future__ import annotations

from sqlalchemy import Connection

from reconciler.store import describe_postgresql, describe_sqlite
from reconciler.store.dialect import is_sqlite
from reconciler.store.structure import Structure


def describe(connection: Connection, anchor: str) -> Structure:
    """Return every part of the schema that holds the table ``anchor``, which is found as any other statement finds it."""
    if is_sqlite(connection):
        return describe_sqlite.describe(lambda sql: connection.exec_driver_sql(sql).fetchall())
    return describe_postgresql.describe(connection, anchor)
