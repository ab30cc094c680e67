"""Hostile statements do nothing, with the filter of templates and without it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed
from tests.runtime.calls import call_of
from tests.runtime.connectors.hostile import FORMS, FUNCTIONS, STOLEN, by_hand, state, unfiltered
from tests.runtime.connectors.support import (
    Place,
    lists,
    postgresql_place,
    sqlite_place,
    template,
    with_connection,
)

BOTH = ["sqlite", "postgresql"]
"""DuckDB's process starts once for all forms: test_duckdb.py."""


@pytest.mark.parametrize("place", BOTH, indirect=True)
@pytest.mark.parametrize("sql", FORMS)
def test_no_form_of_a_statement_does_anything_without_the_filter(
    place: Place, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered(monkeypatch)
    before = state(place)
    answer = by_hand(place, sql)
    assert isinstance(answer, Failed) or sql.startswith("SELECT 1 --")
    assert state(place) == before
    assert not STOLEN.exists()


@pytest.mark.parametrize("place", BOTH, indirect=True)
@pytest.mark.parametrize("sql", FORMS)
def test_with_the_filter_none_reaches_the_database(place: Place, sql: str) -> None:
    before = state(place)
    answer = by_hand(place, sql)
    assert isinstance(answer, Failed) or sql.startswith("SELECT 1 --")
    assert state(place) == before


WRITING = ("DELETE", "WITH gone", "UPDATE", "INSERT", "REPLACE", "SELECT 1 --", "/* */ DELETE")


@pytest.mark.parametrize("place", BOTH, indirect=True)
@pytest.mark.parametrize("sql", [sql for sql in FORMS if not sql.startswith(WRITING)])
def test_who_may_write_may_do_nothing_else(place: Place, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows may be changed there; tables, settings and programs may not, with a role that owns them."""
    unfiltered(monkeypatch)
    if place.is_postgresql:
        place.sql("ALTER TABLE customers OWNER TO agent")
        place.sql("GRANT CREATE ON SCHEMA public TO agent")
    before = state(place)
    answer = by_hand(place, sql, read_only=False)
    assert isinstance(answer, Failed)
    assert answer.code in {"query-failed", "statement-refused"}
    assert state(place) == before


def test_sleeping_ends_with_the_deadline(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)
    begun = time.monotonic()
    answer = by_hand(postgresql_place(postgres_server), "SELECT pg_sleep(30)", functions=("pg_catalog.pg_sleep",))
    assert isinstance(answer, Failed)
    assert (answer.outcome, time.monotonic() - begun < 15) == ("timeout", True)


@pytest.mark.parametrize("dialect", FUNCTIONS)
def test_functions_that_reach_further(dialect: str, tmp_path: Path, postgres_server: str) -> None:
    place = sqlite_place(tmp_path) if dialect == "sqlite" else postgresql_place(postgres_server)
    for function in FUNCTIONS[dialect]:
        answer = by_hand(place, f"SELECT {function} AS x")
        assert isinstance(answer, Failed), function
        assert answer.code in {"statement-refused", "query-failed"}, (function, answer.code)


def test_sqlite_reads_only_without_its_authorizer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened for reading, and no other one can be attached."""
    unfiltered(monkeypatch)
    monkeypatch.setattr("reconciler.runtime.connectors.sqlite._authorizer", lambda **_: None)
    place = sqlite_place(tmp_path)
    before = state(place)
    for sql in FORMS:
        by_hand(place, sql)
        assert state(place) == before, sql
        assert not STOLEN.exists()


def test_sqlite_does_not_trust_a_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made the file may have put a call into a view."""
    unfiltered(monkeypatch)
    monkeypatch.setattr("reconciler.runtime.connectors.sqlite._authorizer", lambda **_: None)
    place = sqlite_place(tmp_path)
    place.sql("CREATE VIEW innocent AS SELECT count(*) AS x FROM pragma_module_list")
    assert isinstance(by_hand(place, "SELECT count(*) AS x FROM pragma_module_list"), Answer)
    assert isinstance(by_hand(place, "SELECT * FROM innocent"), Failed)


def test_sqlite_refuses_them_without_the_filter_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)
    place = sqlite_place(tmp_path)
    for function in FUNCTIONS["sqlite"]:
        answer = by_hand(place, f"SELECT {function} AS x")
        assert isinstance(answer, Failed), function


def test_a_function_that_writes_writes_nothing(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query calls it, so its form is good: only the server's READ ONLY stands in its way."""
    unfiltered(monkeypatch)
    place = postgresql_place(postgres_server)
    place.sql(
        "CREATE FUNCTION gone() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS 'DELETE FROM customers; SELECT 1'"
    )
    before = state(place)
    # ROLLBACK takes a deletion back; what a sequence gave stays given
    place.sql("CREATE SEQUENCE numbers")
    place.sql("GRANT ALL ON SEQUENCE numbers TO agent")
    for sql in ("SELECT gone() AS x", "SELECT nextval('numbers') AS x"):
        answer = by_hand(place, sql, functions=("gone", "nextval"))
        assert isinstance(answer, Failed), sql
        assert str(answer) == "the statement does something that is not allowed here", sql
    assert state(place) == before
    assert place.sql("SELECT last_value, is_called FROM numbers") == [(1, False)]


def test_nothing_of_a_session_is_left_for_the_next(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ROLLBACK does not free such a lock."""
    unfiltered(monkeypatch)
    place = postgresql_place(postgres_server)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

    async def work(connection: Connection, connector: Resource) -> None:
        one = template("SELECT 1")
        one.body["sql"] = "SELECT count(*) AS n, count(pg_advisory_lock(7)) AS m, pg_backend_pid() AS pid"
        source = lists(functions=("pg_advisory_lock",))
        first = await connection.run(call_of((one, source, connector), {}))
        until = time.monotonic() + 20  # it is made as new once no other call came at once
        while place.sql(locks) != [(0,)]:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        again = await connection.run(call_of((one, source, connector), {}))
        assert first.content[0]["pid"] == again.content[0]["pid"]

    with_connection(place, work)
