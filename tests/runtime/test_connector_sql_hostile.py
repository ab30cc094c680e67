"""Hostile statements and values: nothing happens, with the first filter and without it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.template.statement import Statement
from reconciler.runtime.call import Answer, Failed
from tests.runtime.calls import resource
from tests.runtime.test_connector_sql import Place, content, postgresql_place, ran, sqlite_place, with_connection

FORMS = """
DELETE FROM customers
SELECT 1; DROP TABLE customers
SELECT 1) x; DROP TABLE customers; --
COMMIT; DROP TABLE customers
ROLLBACK; DELETE FROM customers
SET TRANSACTION READ WRITE; DELETE FROM customers
WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone
UPDATE customers SET name = 'x' RETURNING *
INSERT INTO customers VALUES (9, 'x', 'y') RETURNING *
SELECT * INTO stolen FROM customers
CREATE TABLE stolen AS SELECT * FROM customers
COPY customers TO STDOUT
DO $$ BEGIN DELETE FROM customers; END $$
EXPLAIN ANALYZE DELETE FROM customers
CALL anything()
PREPARE p AS DELETE FROM customers
LOCK TABLE customers
TRUNCATE customers
DROP TABLE customers
ALTER TABLE customers RENAME TO stolen
GRANT ALL ON customers TO PUBLIC
VACUUM
ATTACH DATABASE '/tmp/stolen.db' AS stolen
DETACH DATABASE main
PRAGMA writable_schema = 1
REINDEX
BEGIN
SAVEPOINT s
REPLACE INTO customers VALUES (1, 'x', 'y')
CREATE TRIGGER t AFTER INSERT ON customers BEGIN SELECT 1; END
SELECT 1 -- ) x; DROP TABLE customers
/* */ DELETE FROM customers /* */
TABLE customers; DELETE FROM customers
""".strip().splitlines()
FUNCTIONS = {
    "postgresql": [
        "pg_read_file('/etc/passwd')",
        "pg_ls_dir('/')",
        "pg_terminate_backend(1)",
        "pg_notify('a','b')",
        "lo_import('/etc/passwd')",
        "dblink('host=127.0.0.1','SELECT",
        "1')",
        "set_config('role','postgres',false)",
        "pg_sleep(9)",
        "pg_advisory_lock(1)",
        "query_to_xml('DELETE",
        "FROM",
        "customers',true,true,'')",
        'U&"pg\\005fsleep"(9)',
        "pg_catalog.pg_sleep(9)",
        '"pg_sleep"(9)',
        "pg_reload_conf()",
        "pg_logical_emit_message(true,'a','b')",
        "nextval('s')",
    ],
    "sqlite": [
        "load_extension('x')",
        "readfile('/etc/passwd')",
        "writefile('/tmp/x','y')",
        "randomblob(1000000000)",
        "zeroblob(1000000000)",
        "fts3_tokenizer('a')",
        "sqlite_version()",
        "total_changes()",
        "edit('x')",
        "sqlite_compileoption_get(1)",
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Place:
    made = sqlite_place(tmp_path) if request.param == "sqlite" else postgresql_place(postgres_server)
    made.sql("CREATE INDEX by_name ON customers (name)")
    return made


def state(place: Place) -> Any:
    tables = (
        "SELECT name FROM sqlite_master"
        if place.is_sqlite
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    return place.sql("SELECT * FROM customers ORDER BY id"), sorted(place.sql(tables))


def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.sql_common.inspect", lambda *_: Statement())


def by_hand(place: Place, sql: str) -> Answer | Failed:
    """As if somebody had written it into the database, past every check of templates."""
    import asyncio

    from tests.runtime.calls import call
    from tests.runtime.test_connector_sql import template

    found: list[Answer | Failed] = []

    async def work(connection: Any, connector: Any) -> None:
        one = template("SELECT 1")
        one.body["sql"] = sql
        try:
            async with asyncio.timeout(5):
                found.append(await connection.run(call(connector, one, {}, 2.0)))
        except Failed as error:
            found.append(error)

    with_connection(place, work)
    return found[0]


@pytest.mark.parametrize("sql", FORMS)
def test_no_form_of_a_statement_does_anything_without_the_filter(
    place: Place, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered(monkeypatch)
    before = state(place)
    answer = by_hand(place, sql)
    assert isinstance(answer, Failed) or sql.startswith("SELECT 1 --")
    assert state(place) == before
    assert not Path("/tmp/stolen.db").exists()


@pytest.mark.parametrize("sql", FORMS)
def test_with_the_filter_none_reaches_the_database(place: Place, sql: str) -> None:
    before = state(place)
    answer = by_hand(place, sql)
    assert isinstance(answer, Failed) or sql.startswith("SELECT 1 --")
    assert state(place) == before


@pytest.mark.parametrize("dialect", FUNCTIONS)
def test_functions_that_reach_further(dialect: str, tmp_path: Path, postgres_server: str) -> None:
    place = sqlite_place(tmp_path) if dialect == "sqlite" else postgresql_place(postgres_server)
    for function in FUNCTIONS[dialect]:
        answer = by_hand(place, f"SELECT {function} AS x")
        assert isinstance(answer, Failed), function
        assert answer.code in {"statement-refused", "query-failed"}, (function, answer.code)


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
        assert isinstance(by_hand(place, sql), Failed), sql
    assert state(place) == before
    assert place.sql("SELECT last_value, is_called FROM numbers") == [(1, False)]


def payloads(count: int) -> list[str]:
    pieces = [
        *(
            "'",
            '"',
            "''",
            "\\",
            "\\'",
            "`",
            ";",
            "--",
            "/*",
            "*/",
            "#",
            "$$",
            "$1",
            "?1",
            ":a",
            "%s",
            "\x01",
            "\n",
            " OR 1=1 ",
        ),
        *(
            " UNION SELECT * FROM customers ",
            "DROP TABLE customers",
            "; DELETE FROM customers",
            "pg_sleep(9)",
            "E'\\047'",
            "U&'\\0027'",
        ),
        *(
            "ü",
            "😀",
            "\u2019",
            "\uff07",
            "0x27",
            "CHR(39)",
            "||",
            "::text",
            "admin",
            "{}",
            "[]",
            "\r\n",
            "\t",
            "NULL",
            "1",
            "%",
            "_",
        ),
    ]
    chosen = random.Random(7)
    return ["".join(chosen.choice(pieces) for _ in range(chosen.randint(1, 8))) for _ in range(count)]


def test_no_value_is_anything_but_a_value(place: Place) -> None:
    import asyncio

    from reconciler.runtime.call import Connection
    from tests.runtime.calls import call
    from tests.runtime.test_connector_sql import TEXT, template

    before = state(place)
    cast = "" if place.is_sqlite else "::text"
    echo = template(f"SELECT :v{cast} AS v, (SELECT count(*) FROM customers WHERE name = :v{cast}) AS n", {"v": TEXT})

    async def work(connection: Connection, connector: Any) -> None:
        for value in payloads(2000):
            answer = await connection.run(call(connector, echo, {"v": value}))
            assert answer.content == [{"v": value, "n": 0}]
        await asyncio.sleep(0)

    with_connection(place, work)
    assert state(place) == before


def test_a_comment_at_the_end_ends_nothing(place: Place) -> None:
    assert content(ran(place, "SELECT 1 AS one -- the end")) == [{"one": 1}]
    assert resource("connector", place.raw).body["read_only"] is True
