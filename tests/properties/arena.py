"""A real database that many examples use one after the other, each finding it empty; with plan and apply in-process."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from reconciler.apply.execute import execute
from reconciler.apply.records import ApplyOutcome
from reconciler.apply.terms import Terms
from reconciler.cli.workspace import unmoved
from reconciler.errors import ReconcilerError
from reconciler.guards.check import Allowances
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live
from reconciler.model.plan import Plan, Selection
from reconciler.planner.make import EVERYTHING, Setting, make_plan
from reconciler.store.reading import read_live
from reconciler.store.schema import upgrade
from reconciler.store.url import Database, parse_database
from tests.memory import memory

from .strategies import TODAY

SETTING = Setting("a database", TODAY, "1.0")
TERMS = Terms("tester", allowed=Allowances(deletes=10**6, empty=True, outside=True, diverged=True))
Dump = dict[str, list[tuple[Any, ...]]]
_KEPT = {"reconciler_schema", "row_counter", "audit_head", "status_counter"}


class Arena:
    """Plans and applies on one database; ``sql`` is what somebody does by hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        upgrade(database, 30, only_empty=False)

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Parameters are written as ``?``."""
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError

    def tables(self) -> list[str]:
        raise NotImplementedError

    def dump(self) -> Dump:
        """Every row of every table, all columns."""
        return {table: sorted(self.sql(f"SELECT * FROM {table}"), key=str) for table in self.tables()}

    def live(self, configuration: Configuration, whole: bool = True) -> Live:
        tenants = {address.tenant for address in configuration.resources}
        return read_live(self.database, configuration.project, tenants, unmoved(configuration), whole)

    def plan(self, configuration: Configuration, selection: Selection = EVERYTHING) -> Plan:
        """The plan of everything that is live; that of keys and digests, which commands make, has to be the same."""
        try:
            quick: Plan | str = make_plan(configuration, self.live(configuration, whole=False), SETTING, selection)
        except ReconcilerError as error:
            quick = str(error)
        try:
            plan = make_plan(configuration, self.live(configuration), SETTING, selection)
        except ReconcilerError as error:
            if quick != str(error):
                raise AssertionError(f"by keys and digests: {quick}") from error
            raise
        assert quick == plan
        return plan

    def apply(self, plan: Plan, terms: Terms = TERMS) -> ApplyOutcome:
        return execute(plan, self.database, terms)


class Sqlite(Arena):
    def __init__(self, folder: Path) -> None:
        self.path, self.empty = folder / "state.db", folder / "empty.db"
        super().__init__(parse_database(f"sqlite:///{self.path}", folder))
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.path, self.empty)

    def reset(self) -> None:
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(self.empty, self.path)

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def tables(self) -> list[str]:
        return [name for (name,) in self.sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]

    def dump(self) -> Dump:
        with closing(sqlite3.connect(self.path)) as connection:
            return {t: connection.execute(f"SELECT rowid, * FROM {t} ORDER BY rowid").fetchall() for t in self.tables()}


class Postgres(Arena):
    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(parse_database(url, folder))
        self._connection = psycopg.connect(url, autocommit=True)
        # for `reset` alone: `sql` sets it back, so that what is done by hand is stamped by triggers
        self._tables = [
            name
            for (name,) in self.sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
            )
        ]

    def close(self) -> None:
        self._connection.close()

    def reset(self) -> None:
        emptied = "; ".join(f"DELETE FROM {table}" for table in self._tables if table not in _KEPT)
        self._connection.execute(
            f"BEGIN; SET LOCAL session_replication_role = replica; {emptied}; COMMIT"  # triggers and foreign keys off
        )

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.replace("?", "%s") if parameters else statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def tables(self) -> list[str]:
        return [*self._tables, "resource_row_version"]


@contextmanager
def arena(kind: str, postgres_url: str | None = None) -> Iterator[Arena]:
    """``kind`` is sqlite or postgresql; the second one needs the URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="arena", dir=memory()))
    try:
        if kind == "sqlite":
            yield Sqlite(folder)
        else:
            assert postgres_url is not None
            made = Postgres(postgres_url, folder)
            try:
                yield made
            finally:
                made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
