"""The tables of the program are what all migrations together make, on both databases."""

from __future__ import annotations

from reconciler.store.connect import writing
from reconciler.store.describe import describe
from reconciler.store.dialect import is_sqlite
from reconciler.store.schema import REVISIONS
from reconciler.store.structure import Part, Structure, read_facts
from reconciler.store.tables import METADATA, SQLITE_METADATA
from tests.conftest import ROOT, Db
from tests.store.support import database_of

SHAPES = {"table", "column", "constraint", "index"}


def shape(structure: Structure) -> dict[Part, str]:
    """Everything of a structure that tables define: no triggers, functions and sequences."""
    return {part: text for part, text in structure.items() if part.kind in SHAPES and part.table != "reconciler_schema"}


OF_ONE_KIND = {"dialect.py", "repairs.py", "describe_postgresql.py", "describe_sqlite.py"}


def test_one_file_knows_which_database_it_is() -> None:
    files = (ROOT / "reconciler" / "store").glob("*.py")
    asking = {file.name for file in files if "dialect.name" in file.read_text() or "strftime(" in file.read_text()}
    assert asking <= OF_ONE_KIND


def test_tables_are_what_migrations_make(db: Db) -> None:
    with writing(database_of(db), 10, create=True) as connection, connection.begin():
        METADATA.create_all(connection, checkfirst=False)
        if is_sqlite(connection):
            SQLITE_METADATA.create_all(connection, checkfirst=False)
        made = shape(describe(connection, "resources"))
        wanted = shape(read_facts("reconciler.store", connection.dialect.name).at(REVISIONS[-1]))
    assert made == wanted
