"""A database at one revision brought to a later one: a table of migrations, one file each, run in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from sqlalchemy import Connection, text

MIGRATIONS: Mapping[str, str] = {
    "0001": "v0001_first",
    "0002": "v0002_audit",
    "0003": "v0003_outbox",
    "0004": "v0004_secrets",
    "0005": "v0005_status",
    "0006": "v0006_stamps",
    "0007": "v0007_witness",
    "0008": "v0008_freezes_by_uid",
    "0009": "v0009_switch",
    "0010": "v0010_trail",
    "0011": "v0011_bindings",
    "0012": "v0012_key_checks",
}
"""The module of each revision, oldest first; its ``upgrade(connection)`` makes the one before into it."""

TABLE = "reconciler_schema"
"""Holds the revision; its form is alembic's, which databases were first made with."""


def migrate(connection: Connection, before: str | None, to: str | None = None) -> None:
    """Migrate to a revision. Raises KeyError for an unknown one, and whatever the database says."""
    known = [*MIGRATIONS]
    first = 0 if before is None else known.index(before) + 1
    last = len(known) if to is None else known.index(to) + 1
    if before is None:
        connection.execute(
            text(
                f"CREATE TABLE {TABLE} (version_num VARCHAR(32) NOT NULL, CONSTRAINT {TABLE}_pkc PRIMARY KEY (version_num))"
            )
        )
    for number in known[first:last]:
        import_module(f"{__name__}.{MIGRATIONS[number]}").upgrade(connection)
    connection.execute(text(f"DELETE FROM {TABLE}"))
    connection.execute(text(f"INSERT INTO {TABLE} (version_num) VALUES (:number)"), {"number": known[last - 1]})
