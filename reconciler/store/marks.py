"""Marks by which a database is recognised, whatever name a connector reaches it by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from reconciler.store.connect import reading
from reconciler.store.url import Database

Marks = frozenset[tuple[Any, Any]]
_MAY_KNOW = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
_WHICH = "SELECT system_identifier::text, pg_catalog.current_database()::text FROM pg_catalog.pg_control_system()"


def control_of(*databases: Database) -> Marks:
    """Return the marks of databases: the server's own, which no connector may reach.

    A SQLite file has its device and inode, and its path, should it be exchanged. A PostgreSQL database has its server's system
    identifier, which a standby shares, and its name; none where the role may not read it: there its tables are recognised.
    Raises what a reader of the database may see.
    """
    return frozenset(mark for database in databases for mark in _marks(database))


def _marks(database: Database) -> Iterator[tuple[Any, Any]]:
    if database.path is not None:
        yield "path", str(database.path)
        with contextlib.suppress(OSError):
            status = database.path.stat()
            yield status.st_dev, status.st_ino
        return
    with reading(database) as connection:
        if connection.execute(text(_MAY_KNOW)).scalar():
            server, name = connection.execute(text(_WHICH)).one()
            yield server, name
