"""SQL templates against real databases: values both ways, caps, time, and who may not be asked."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from reconciler.access.snapshot import Resource
from reconciler.runtime.call import Answer, Connection, Failed, Permits, Surroundings
from reconciler.runtime.connectors.postgresql_session import begin
from reconciler.runtime.connectors.sql import open_sql
from tests.conftest import new_postgres_database
from tests.runtime.calls import LOOPBACK, around, call, resolve, resource

TABLE = "CREATE TABLE customers (id INTEGER, name TEXT, region TEXT)"
ROWS = [(1, "Ann", "eu"), (2, "Bob", "us"), (3, "Cid", "eu")]


class Place:
    """One database, with the connector of a role that may do little there."""

    def __init__(
        self, kind: str, raw: dict[str, Any], surroundings: Surroundings, sql: Callable[[str], list[Any]]
    ) -> None:
        self.kind, self.raw, self.around, self.sql = kind, raw, surroundings, sql

    def connector(self, **more: Any) -> Resource:
        return resource("connector", {**self.raw, **more})

    @property
    def is_sqlite(self) -> bool:
        return self.kind == "sqlite"


def sqlite_place(folder: Path) -> Place:
    file = folder / "data.db"
    connection = sqlite3.connect(file)
    connection.execute(TABLE)
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", ROWS)
    connection.commit()
    connection.close()

    def sql(statement: str) -> list[Any]:
        opened = sqlite3.connect(file)
        try:
            found = opened.execute(statement).fetchall()
            opened.commit()
            return found
        finally:
            opened.close()

    return Place("sqlite", {"type": "sql", "dialect": "sqlite", "database": str(file)}, around(folder.resolve()), sql)


def postgresql_place(server: str) -> Place:
    url = new_postgres_database(server)

    def sql(statement: str) -> list[Any]:
        with psycopg.connect(url) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    sql(TABLE)
    for row in ROWS:
        sql(f"INSERT INTO customers VALUES {row}")
    sql("DO $$ BEGIN CREATE ROLE agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    sql("GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO agent")
    parts = conninfo_to_dict(url)
    raw = {
        "type": "sql",
        "dialect": "postgresql",
        "host": parts["host"],
        "database": parts["dbname"],
        "username": "agent",
        "ssl": "disable",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": 5432}],
    }
    return Place("postgresql", raw, Surroundings(resolve, resolve, Permits(LOOPBACK)), sql)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Place:
    return sqlite_place(tmp_path) if request.param == "sqlite" else postgresql_place(postgres_server)


def template(sql: str, parameters: dict[str, Any] | None = None, **more: Any) -> Resource:
    return resource("template", {"type": "sql", "datasource": "d", "sql": sql, "parameters": parameters or {}, **more})


def with_connection(place: Place, work: Callable[[Connection, Resource], Awaitable[None]], **more: Any) -> None:
    async def main() -> None:
        connector = place.connector(**more)
        connection = await open_sql("acme", connector, place.around)
        try:
            await work(connection, connector)
        finally:
            await connection.close()

    asyncio.run(main())


def ran(
    place: Place,
    sql: str,
    values: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    seconds: float = 10.0,
    connector: dict[str, Any] | None = None,
    **more: Any,
) -> Answer | Failed:
    found: list[Answer | Failed] = []

    async def work(connection: Connection, connector: Resource) -> None:
        try:
            found.append(
                await connection.run(call(connector, template(sql, parameters, **more), values or {}, seconds))
            )
        except Failed as error:
            found.append(error)

    with_connection(place, work, **(connector or {}))
    return found[0]


def content(answer: Answer | Failed) -> Any:
    assert isinstance(answer, Answer), (getattr(answer, "code", ""), answer)
    return answer.content


TEXT = {"type": "string"}


def test_values_are_bound(place: Place) -> None:
    sql = "SELECT id, name FROM customers WHERE region = :region AND id > :least ORDER BY id"
    parameters = {"region": TEXT, "least": {"type": "integer"}}
    assert content(ran(place, sql, {"region": "eu", "least": 1}, parameters)) == [{"id": 3, "name": "Cid"}]
    assert content(ran(place, sql, {"region": "' OR 1=1 --", "least": 0}, parameters)) == []


def test_the_same_value_twice_and_colons_that_are_none(place: Place) -> None:
    sql = "SELECT ':region' AS a, name FROM customers WHERE region = :region OR name = :region -- :no\nORDER BY id"
    assert content(ran(place, sql, {"region": "Bob"}, {"region": TEXT})) == [{"a": ":region", "name": "Bob"}]


@pytest.mark.parametrize(
    ("kind", "value", "sqlite", "postgresql"),
    [
        ("string", "ü😀'\"\\;--", "ü😀'\"\\;--", "ü😀'\"\\;--"),
        ("integer", 2**53 - 1, 2**53 - 1, 2**53 - 1),
        ("number", 1.5, 1.5, 1.5),
        ("boolean", True, 1, True),
        ("date", "2026-02-28", "2026-02-28", "2026-02-28"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", *["123e4567-e89b-12d3-a456-426614174000"] * 2),
        ("string", None, None, None),
    ],
)
def test_types_both_ways(place: Place, kind: str, value: Any, sqlite: Any, postgresql: Any) -> None:
    casts = {
        "string": "text",
        "integer": "bigint",
        "number": "float8",
        "boolean": "boolean",
        "date": "date",
        "uuid": "uuid",
    }
    cast = "" if place.is_sqlite else f"::{casts[kind]}"
    answer = ran(place, f"SELECT :v{cast} AS v", {"v": value}, {"v": {"type": kind, "nullable": True}})
    assert content(answer) == [{"v": sqlite if place.is_sqlite else postgresql}]


def test_what_json_would_round_is_text(postgres_server: str) -> None:
    sql = (
        "SELECT 12345678901234567890::numeric AS a, 0.1::numeric AS b, 9223372036854775807::bigint AS c, 'NaN'::float8 AS d, "
        "'\\x00ff'::bytea AS e, ARRAY[1, 2] AS f, '{\"k\": 1.10}'::jsonb AS g, 'x' AS a, timestamp '2026-01-02 03:04:05' AS h, 7::numeric AS i"
    )
    assert content(ran(postgresql_place(postgres_server), sql)) == [
        {
            "a": "12345678901234567890",
            "b": "0.1",
            "c": "9223372036854775807",
            "d": None,
            "e": "AP8=",
            "f": [1, 2],
            "g": {"k": "1.10"},
            "a_2": "x",
            "h": "2026-01-02T03:04:05",
            "i": 7,
        }
    ]


def test_a_column_s_type_depends_on_no_other_column(postgres_server: str) -> None:
    sql = (
        "SELECT 0.5::float8 AS f, 1::bigint AS n, ARRAY[0.5, 'NaN']::float8[] AS fs, 0.5::numeric AS d, 'NaN'::numeric AS x, "
        "'-Infinity'::float4 AS y, ARRAY['\\x00ff'::bytea] AS bs, '{}'::jsonb AS j, 10::numeric ^ 4500 AS long"
    )
    place = postgresql_place(postgres_server)
    place.sql(
        "DO $$ BEGIN EXECUTE format('ALTER ROLE agent IN DATABASE %I SET bytea_output = escape', current_database()); END $$"
    )
    (row,) = content(ran(place, sql))
    assert row["long"].rstrip("0") == "1"
    assert len(row.pop("long")) == 4501
    assert row == {"f": 0.5, "n": 1, "fs": [0.5, None], "d": "0.5", "x": None, "y": None, "bs": ["AP8="], "j": {}}


@pytest.mark.parametrize(
    "sql", ["SELECT (repeat('[', 900) || repeat(']', 900))::json AS a", "SELECT '\"\\ud800\"'::json AS a"]
)
def test_what_json_can_not_hold(postgres_server: str, sql: str) -> None:
    answer = ran(postgresql_place(postgres_server), sql)
    assert isinstance(answer, Failed)
    assert answer.code == "unreadable-result"


TYPED = """CREATE TYPE mood AS ENUM ('ok', 'bad');
CREATE TABLE typed (i int, n numeric, f float8, d date, t text, z timestamptz, p timestamp, u uuid, m mood, a inet);
INSERT INTO typed VALUES (1, 1.1, 1.1, '2026-01-01', 'x', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00',
  '123e4567-e89b-12d3-a456-426614174000', 'ok', '10.0.0.1');
GRANT SELECT ON typed TO agent"""
UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("condition", "kind", "value", "found"),
    [
        ("n = :v", "number", 1.1, 1),
        ("f = :v", "number", 1.1, 1),
        ("i < :v", "number", 1.5, 1),
        ("i = :v", "number", 1, 1),
        ("i < :v", "integer", 2**40, 1),
        ("i < :v", "integer", 2**70, 1),
        ("f < :v", "integer", 2, 1),
        ("n > :v", "integer", 1, 1),
        ("t = :v", "string", "x", 1),
        ("d = :v", "string", "2026-01-01", 1),
        ("m = :v", "string", "ok", 1),
        ("a = :v", "string", "10.0.0.1", 1),
        ("i = :v", "string", "1", 1),
        ("i = :v", "string", "1 OR true", None),
        ("d = :v", "date", "2026-01-01", 1),
        ("z >= :v", "date", "2026-01-02", 0),
        ("z = :v", "timestamp", "2026-01-01T02:00:00+02:00", 1),
        ("p = :v", "timestamp", "2026-01-01T00:00:00", 1),
        ("u = :v", "uuid", UUID, 1),
        ("t = :v::text", "uuid", UUID, 0),
        ("t = :v", "integer", 1, None),
        (":v IS NULL", "integer", None, 1),
        (":v IS NOT NULL", "string", "x", 1),
        ("(:v IS NULL OR i = :v)", "integer", 1, 1),
        ("substr(t, :v) = 'x'", "integer", 1, 1),
        ("i + :v = 3", "integer", 2, 1),
        ("n = ANY(:v)", "array:number", [1, 1.1], 1),
        ("i = ANY(:v)", "array:number", [1, 1.5], 1),
        ("i = ANY(:v)", "array:integer", [1, 2**40], 1),
        ("i = ANY(:v)", "array:integer", [], 0),
        ("m = ANY(:v)", "array:string", ["ok"], 1),
        ("z = ANY(:v)", "array:timestamp", ["2026-01-01T00:00:00+00:00"], 1),
    ],
)
def test_values_are_what_the_template_says(
    postgres_server: str, typed_place: Place, condition: str, kind: str, value: Any, found: int | None
) -> None:
    """None: the server refuses; nothing is cut or guessed."""
    kind, _, items = kind.partition(":")
    parameter = {"type": kind, "nullable": True, **({"items": items} if items else {})}
    answer = ran(typed_place, f"SELECT count(*) AS n FROM typed WHERE {condition}", {"v": value}, {"v": parameter})
    if found is None:
        assert isinstance(answer, Failed)
        assert answer.code == "query-failed"
    else:
        assert content(answer) == [{"n": found}]


@pytest.fixture(scope="module")
def typed_place(postgres_server: str) -> Place:
    place = postgresql_place(postgres_server)
    place.sql(TYPED)
    return place


def test_a_value_keeps_its_type_where_nothing_else_gives_one(typed_place: Place) -> None:
    parameters = {
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "t": {"type": "timestamp"},
    }
    values = {"i": 5, "n": 1.25, "b": True, "t": "2026-01-01T00:00:00"}
    (row,) = content(ran(typed_place, "SELECT :i AS i, :n AS n, :b AS b, :t AS t, ':i $1' AS s", values, parameters))
    assert row == {"i": 5, "n": "1.25", "b": True, "t": "2026-01-01T00:00:00", "s": ":i $1"}


@pytest.mark.parametrize(("kind", "value"), [("string", "\ud800"), ("integer", 2**70), ("string", "a\0b")])
def test_values_that_a_database_can_not_take(place: Place, kind: str, value: Any) -> None:
    cast = "" if place.is_sqlite else "::bigint" if kind == "integer" else "::text"
    answer = ran(place, f"SELECT :v{cast} AS v", {"v": value}, {"v": {"type": kind}})
    if place.is_sqlite and value == "a\0b":
        assert content(answer) == [{"v": value}]
    else:
        assert isinstance(answer, Failed)
        assert answer.code in {"invalid-value", "query-failed"}


def test_lists(place: Place) -> None:
    parameters = {"ids": {"type": "array", "items": "integer"}}
    chosen = "id IN (SELECT value FROM json_each(:ids))" if place.is_sqlite else "id = ANY(:ids)"
    answer = ran(place, f"SELECT name FROM customers WHERE {chosen} ORDER BY id", {"ids": [1, 3]}, parameters)
    assert [row["name"] for row in content(answer)] == ["Ann", "Cid"]


def test_rows_beyond_the_cap_are_cut(place: Place) -> None:
    answer = ran(place, "SELECT id FROM customers ORDER BY id", max_rows=2)
    assert isinstance(answer, Answer)
    assert ([row["id"] for row in answer.content], answer.rows, answer.cut) == ([1, 2], 2, True)
    whole = ran(place, "SELECT id FROM customers ORDER BY id", max_rows=3)
    assert isinstance(whole, Answer)
    assert (whole.rows, whole.cut) == (3, False)


@pytest.mark.parametrize("size", [200_000, 50_000_000])
def test_a_cell_that_is_too_large_stays_where_it_is(place: Place, size: int) -> None:
    if place.is_sqlite:
        place.sql(f"INSERT INTO customers VALUES (9, replace(hex(zeroblob({size // 2})), '0', 'x'), 'big')")
        sql = "SELECT name FROM customers WHERE id = 9"
    else:
        sql = f"SELECT repeat('x', {size}) AS big"
    with grows_by_at_most(20_000_000):
        answer = ran(place, sql, max_result_bytes=100_000)
    assert isinstance(answer, Failed)
    assert answer.code == "too-large"


def test_a_large_cell_that_a_write_returns_stays_there_too(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    sql = "UPDATE customers SET name = 'x' WHERE id = 1 RETURNING repeat('x', 50000000) AS big"
    with grows_by_at_most(20_000_000):
        answer = ran(place, sql, connector={"read_only": False}, read_only=False, max_result_bytes=100_000)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("too-large", "failure")
    assert place.sql("SELECT name FROM customers WHERE id = 1") == [("Ann",)]


def test_a_row_that_is_cut_may_be_too_large(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql(f"UPDATE customers SET name = '{'x' * 5000}' WHERE id = 3")
    answer = ran(place, "SELECT id, name FROM customers ORDER BY id", max_rows=2, max_result_bytes=1000)
    assert isinstance(answer, Answer), answer.code
    assert (answer.rows, answer.cut) == (2, True)


@contextmanager
def grows_by_at_most(size: int) -> Iterator[None]:
    """This process, meanwhile; what it needed before does not count."""

    def told(name: str) -> int:
        return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = told("VmRSS")
    yield
    assert told("VmHWM") - before < size


def test_what_takes_too_long_is_ended_by_the_server(place: Place) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"
    begun = time.monotonic()
    answer = ran(place, endless, seconds=0.5)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("timeout", "timeout")
    assert time.monotonic() - begun < 3


def test_cancelling_ends_the_statement(place: Place) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"

    async def work(connection: Connection, connector: Resource) -> None:
        task = asyncio.create_task(connection.run(call(connector, template(endless), {}, 60.0)))
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if not place.is_sqlite:
            for _ in range(50):
                active = place.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent' AND state = 'active'")
                if active[0][0] == 0:
                    break
                await asyncio.sleep(0.05)
            assert active[0][0] == 0
        answer = await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        assert answer.content == [{"one": 1}]

    with_connection(place, work)


def test_writing_needs_both_to_say_so(place: Place) -> None:
    insert = "INSERT INTO customers VALUES (4, :name, 'eu')"
    parameters = {"name": TEXT}
    refused = ran(place, insert, {"name": "Dan"}, parameters, read_only=False)
    assert isinstance(refused, Failed)
    assert refused.outcome == "blocked"
    answer = ran(place, insert, {"name": "Dan"}, parameters, connector={"read_only": False}, read_only=False)
    assert content(answer) == {"changed": 1}
    assert place.sql("SELECT name FROM customers WHERE id = 4") == [("Dan",)]


def test_writes_that_return(place: Place) -> None:
    more: dict[str, Any] = {"connector": {"read_only": False}, "read_only": False}
    update = "UPDATE customers SET name = :name WHERE region = 'eu' RETURNING id, name"
    answer = ran(place, update, {"name": "Eve"}, {"name": TEXT}, **more)
    assert sorted(row["id"] for row in content(answer)) == [1, 3]
    cut = ran(place, update, {"name": "Fay"}, {"name": TEXT}, max_rows=1, **more)
    assert isinstance(cut, Answer)
    assert (cut.rows, cut.cut) == (1, True)
    assert place.sql("SELECT DISTINCT name FROM customers WHERE region = 'eu'") == [("Fay",)]


def test_a_write_may_move_rows(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("CREATE TABLE old (LIKE customers)")
    place.sql("GRANT ALL ON old TO agent")
    sql = "WITH gone AS (DELETE FROM customers WHERE region = :v RETURNING *) INSERT INTO old SELECT * FROM gone"
    answer = ran(place, sql, {"v": "eu"}, {"v": TEXT}, connector={"read_only": False}, read_only=False)
    assert content(answer) == {"changed": 2}
    assert place.sql("SELECT count(*) FROM old") == [(2,)]


def test_what_is_checked_at_the_end_fails_clean(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("ALTER TABLE customers ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED")
    insert = "INSERT INTO customers VALUES (1, 'x', 'eu')"
    answer = ran(place, insert, connector={"read_only": False}, read_only=False)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("query-failed", "failure")


def test_a_write_that_fails_has_written_nothing(place: Place) -> None:
    place.sql("CREATE UNIQUE INDEX one ON customers (id)")
    insert = "INSERT INTO customers SELECT 10, 'x', 'eu' UNION ALL SELECT 1, 'y', 'eu'"
    answer = ran(place, insert, connector={"read_only": False}, read_only=False)
    assert isinstance(answer, Failed)
    assert (answer.outcome, "y" in str(answer)) == ("failure", False)
    assert place.sql("SELECT count(*) FROM customers") == [(3,)]


def test_errors_hold_nothing_of_what_was_asked(place: Place) -> None:
    answer = ran(place, "SELECT CAST(:v AS integer) / 0 AS x, missing FROM customers", {"v": "CANARY-1"}, {"v": TEXT})
    assert isinstance(answer, Failed)
    assert "CANARY" not in str(answer)
    assert "missing" not in str(answer)


def test_connections_are_as_new(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        answer = await connection.run(call(connector, template("SELECT count(*) AS n FROM pg_prepared_statements"), {}))
        assert answer.content[0]["n"] <= 2

    with_connection(place, work)
    assert (
        place.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent' AND datname = current_database()")[0][
            0
        ]
        <= 1
    )


def test_the_server_ends_by_itself(postgres_server: str) -> None:
    sql = "SELECT " + ", ".join(
        f"(SELECT setting::int FROM pg_settings WHERE name = '{name}') AS {name[:1]}"
        for name in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
    )
    (row,) = content(ran(postgresql_place(postgres_server), sql, seconds=7.0))
    assert 5000 < row["s"] == row["i"] <= 7000
    assert row["t"] in (None, row["s"] + 500)  # not before PostgreSQL 17
    assert "transaction_timeout" not in begin(1, 16, readonly=True)


def test_connections_end_unused_and_old(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = postgresql_place(postgres_server)
    who = template("SELECT pg_backend_pid() AS pid")

    async def pids(connection: Connection, connector: Resource) -> list[int]:
        return [(await connection.run(call(connector, who, {}))).content[0]["pid"] for _ in range(3)]

    async def work(connection: Connection, connector: Resource) -> None:
        assert len({*await pids(connection, connector)}) == 1
        # one that the server has ended meanwhile is noticed, and not used
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'agent'")
        await asyncio.sleep(0.1)
        assert len({*await pids(connection, connector)}) == 1
        failed = template("SELECT 1 / (id - 1) AS x FROM customers")
        before = await pids(connection, connector)
        with pytest.raises(Failed):
            await connection.run(call(connector, failed, {}))
        assert await pids(connection, connector) == before  # a statement that fails costs no connection
        for name in ("IDLE_SECONDS", "LIFE_SECONDS"):
            with monkeypatch.context() as patch:
                patch.setattr(f"reconciler.runtime.connectors.postgresql.{name}", 0.0)
                assert len({*await pids(connection, connector)}) >= 2

    with_connection(place, work)


def test_closing_leaves_nobody_behind(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'agent'"

    async def work(connection: Connection, connector: Resource) -> None:
        slow = template("SELECT count(*) AS n FROM generate_series(1, 1000000)")
        task = asyncio.create_task(connection.run(call(connector, slow, {})))
        await asyncio.sleep(0.05)
        await connection.close()
        assert (await task).content == [{"n": 1000000}]
        await asyncio.sleep(0.1)
        assert place.sql(open_ones) == [(0,)]

    with_connection(place, work)


def test_waiting_for_a_connection_has_the_same_deadline(postgres_server: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"

    async def work(connection: Connection, connector: Resource) -> None:
        first = asyncio.create_task(connection.run(call(connector, template(endless), {}, 1.0)))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        with pytest.raises(Failed) as caught:
            await connection.run(call(connector, template("SELECT 1 AS one"), {}, 0.2))
        assert (caught.value.outcome, time.monotonic() - begun < 0.6) == ("timeout", True)
        with pytest.raises(Failed):
            await first
        answer = await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        assert answer.content == [{"one": 1}]

    with_connection(postgresql_place(postgres_server), work, pool_size=1)


@pytest.mark.parametrize(
    "grant",
    [
        "ALTER ROLE boss SUPERUSER",
        "ALTER ROLE boss REPLICATION",
        "ALTER ROLE boss CREATEROLE",
        "ALTER ROLE boss BYPASSRLS",
        *(f"GRANT {group} TO boss" for group in ("pg_read_server_files", "pg_write_server_files")),
        *(f"GRANT {group} TO boss" for group in ("pg_execute_server_program", "pg_signal_backend")),
        "GRANT postgres TO boss",
        "ALTER ROLE boss SUPERUSER; ALTER ROLE boss SET role = 'agent'",  # it may go back to what it was
    ],
)
def test_roles_that_may_too_much_are_refused(postgres_server: str, grant: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("DROP ROLE IF EXISTS boss")
    place.sql("CREATE ROLE boss LOGIN")
    assert isinstance(ran(place, "SELECT 1 AS one", connector={"username": "boss"}), Answer)
    place.sql(grant)
    answer = ran(place, "SELECT 1 AS one", connector={"username": "boss"})
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("privileged-role", "blocked")
    place.sql("DROP ROLE boss")


def test_the_database_of_the_configuration_is_refused(tmp_path: Path, postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("CREATE TABLE reconciler_schema (version_num TEXT)")
    answer = ran(place, "SELECT 1 AS one")
    assert isinstance(answer, Failed)
    assert answer.code == "control-database"
    place = postgresql_place(postgres_server)
    ((server, name),) = place.sql("SELECT system_identifier, current_database() FROM pg_control_system()")
    for control, code in (
        ((server, name), "control-database"),
        ((str(server), name), "control-database"),
        ((1, name), ""),
    ):
        place.around = place.around._replace(control=frozenset({control}))
        assert getattr(ran(place, "SELECT 1 AS one"), "code", "") == code
    lite = sqlite_place(tmp_path)
    os.link(tmp_path / "data.db", tmp_path / "other.db")  # the same file by another name
    status = (tmp_path / "data.db").stat()
    lite.around = around(tmp_path.resolve(), control=frozenset({(status.st_dev, status.st_ino)}))
    for name in ("data.db", "other.db"):
        answer = ran(lite, "SELECT 1 AS one", connector={"database": str(tmp_path / name)})
        assert isinstance(answer, Failed)
        assert answer.code == "control-database"


@pytest.mark.parametrize("name", ["../outside.db", "link.db", "/etc/hosts", "inside/../../outside.db"])
def test_files_outside_of_what_is_permitted(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    place = sqlite_place(tmp_path)
    (tmp_path / "outside.db").write_bytes((tmp_path / "data.db").read_bytes())
    (root / "link.db").symlink_to(tmp_path / "outside.db")
    place.around = around(root.resolve())

    async def main() -> None:
        with pytest.raises(Failed) as caught:
            await open_sql("acme", place.connector(database=str(root / name)), place.around)
        assert caught.value.code == "file-not-permitted"

    asyncio.run(main())


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    answer = ran(place, "SELECT 1 AS one", connector={"database": str(tmp_path / "none.db")})
    assert isinstance(answer, Failed)
    assert not (tmp_path / "none.db").exists()


def test_a_private_server_is_reached_only_where_both_permit_it(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    for permits, exceptions in ((Permits(), place.raw["network_exceptions"]), (Permits(LOOPBACK), [])):
        place.around = Surroundings(resolve, resolve, permits)
        answer = ran(place, "SELECT 1 AS one", connector={"network_exceptions": exceptions})
        assert isinstance(answer, Failed)
        assert answer.code == "address-refused"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "2130706433", "0x7f.1", "[::ffff:7f00:1]", "0.0.0.0"]
)
def test_a_victim_hears_nothing_of_a_dial(host: str) -> None:
    """By host, and by a connection string that only the secret's store has."""
    heard: list[Any] = []

    async def main() -> None:
        victim = await asyncio.start_server(lambda reader, writer: heard.append(writer), "127.0.0.1", 0)
        port = victim.sockets[0].getsockname()[1]

        async def told(_tenant: str, _reference: str) -> str:
            name = f"[{host.strip('[]')}]" if ":" in host else host
            return f"postgresql://me:x@{name}:{port}/x?sslmode=disable"

        common = {"type": "sql", "dialect": "postgresql", "ssl": "disable"}
        by_dsn = resource("connector", {**common, "dsn": "env://DSN"})
        for connector in (by_dsn, resource("connector", {**common, "host": host, "port": port, "database": "x"})):
            connection = await open_sql("acme", connector, Surroundings(told, told, Permits()))
            with pytest.raises(Failed):
                await connection.run(call(connector, template("SELECT 1 AS one"), {}))
            await connection.close()
        victim.close()

    asyncio.run(main())
    assert not heard


def test_dialects_that_come_later(tmp_path: Path) -> None:
    async def main() -> None:
        raw = {"type": "sql", "dialect": "mysql", "dsn": "env://TOKEN"}
        with pytest.raises(Failed, match="mysql"):
            await open_sql("acme", resource("connector", raw), around())

    asyncio.run(main())
