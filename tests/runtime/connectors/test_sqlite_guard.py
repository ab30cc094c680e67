"""What SQLite itself says of a statement: tables outside of `tables`, its own catalogs and unknown functions are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed
from tests.runtime.calls import call_of
from tests.runtime.connectors.hostile import unfiltered
from tests.runtime.connectors.support import Place, content, lists, ran, sqlite_place, template, told, with_connection

TEXT = {"w": {"type": "string"}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = sqlite_place(tmp_path)
    for sql in (
        "CREATE TABLE secrets (w TEXT)",
        "INSERT INTO secrets VALUES ('hidden'), ('more')",
        "CREATE VIEW shown AS SELECT name, (SELECT max(w) FROM secrets) AS w FROM customers",
        "CREATE VIEW counted AS SELECT count(*) AS n FROM secrets",
        "CREATE VIEW nested AS SELECT w FROM shown",
        "CREATE VIEW opened AS WITH inner_one AS (SELECT w FROM secrets) SELECT w FROM inner_one",
        "CREATE TABLE log (n TEXT)",
        "CREATE TRIGGER noted AFTER INSERT ON customers BEGIN INSERT INTO log SELECT max(w) FROM secrets; END",
    ):
        made.sql(sql)
    return made


@pytest.mark.parametrize(
    ("tables", "sql", "allowed"),
    [
        (["customers"], "SELECT :w IN secrets AS x", False),
        (["customers"], "SELECT :w NOT IN main.secrets AS x", False),
        (["customers"], "SELECT count(*) + (:w IS NULL) AS x FROM secrets", False),
        (["customers"], "SELECT EXISTS (SELECT 1 FROM secrets WHERE w = :w) AS x", False),
        (["customers"], "SELECT name FROM customers WHERE :w > (SELECT max(w) FROM secrets)", False),
        (["customers"], "SELECT rowid FROM secrets WHERE :w IS NULL", False),
        (["customers"], "SELECT name FROM customers UNION SELECT w FROM secrets WHERE w > :w", False),
        (["customers"], "WITH customers AS (SELECT w FROM secrets) SELECT :w, * FROM customers", False),
        (["customers"], "WITH c AS (SELECT w FROM secrets) SELECT count(*), :w FROM c", False),
        (["customers"], "WITH c AS (SELECT 1) SELECT count(*) AS n, :w AS w FROM c", True),
        (["customers"], "WITH c AS MATERIALIZED (SELECT id FROM customers) SELECT a.id, :w AS w FROM c a, c b", True),
        (["customers"], "SELECT w, :w FROM shown", False),
        (["customers"], "SELECT count(*), :w FROM shown", False),
        (["shown"], "SELECT w, :w AS x FROM shown", True),  # whoever made the view decided what it shows
        (["shown"], "SELECT count(*) AS n, :w AS x FROM shown", True),
        (["counted"], "SELECT n, :w AS x FROM counted", True),
        (["counted"], "SELECT n, :w FROM counted WHERE EXISTS (SELECT 1 FROM secrets)", False),
        (["counted"], "SELECT count(*), :w FROM secrets", False),
        (["nested"], "SELECT w, :w AS x FROM nested", True),
        (["nested"], "SELECT w, :w FROM shown", False),
        (["nested"], "SELECT count(*), :w FROM shown", False),
        (["opened"], "SELECT w, :w AS x FROM opened", True),
        (["opened"], "WITH inner_one AS (SELECT w FROM secrets) SELECT :w, w FROM inner_one", False),
        (["shown"], "WITH shown AS (SELECT w FROM secrets) SELECT :w, w FROM shown", False),
        (["shown"], "WITH shown AS (SELECT w FROM [secrets]) SELECT :w, w FROM shown", False),
        (["shown"], "WITH shown AS (SELECT w FROM 'SECRETS') SELECT :w, w FROM shown", False),
        (["shown"], "WITH noted AS (SELECT w FROM secrets) SELECT :w, w FROM noted", False),
        (["main.*"], "SELECT w FROM secrets WHERE w > :w", True),
        (["*"], "SELECT w FROM secrets WHERE w > :w", True),
        ([], "SELECT w FROM secrets WHERE w > :w", True),
        (["customers"], "SELECT value FROM json_each('[1]') WHERE :w IS NOT NULL", True),
    ],
)
def test_tables_are_those_that_sqlite_reads(
    place: Place, tables: list[str], sql: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered(monkeypatch)
    answer = ran(place, sql, {"w": "a"}, TEXT, source=lists(*tables))
    assert isinstance(answer, Answer) == allowed, answer
    assert allowed or (isinstance(answer, Failed) and answer.code == "statement-refused")


@pytest.mark.parametrize("tables", [["customers"], ["*"], []])
@pytest.mark.parametrize(
    "table",
    [
        *("sqlite_master", "sqlite_schema", "main.sqlite_master", "temp.sqlite_temp_master", "sqlite_temp_schema"),
        *("pragma_table_info('secrets')", "pragma_table_list", "pragma_database_list", "pragma_function_list"),
        *('"sqlite_master"', "[SQLITE_MASTER]", "sqlite_stat1", "dbstat"),
    ],
)
def test_the_catalogs_are_nobody_s(
    place: Place, tables: list[str], table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered(monkeypatch)
    assert isinstance(ran(place, f"SELECT * FROM {table}", source=lists(*tables)), Failed)
    assert isinstance(ran(place, f"SELECT count(*) AS n FROM {table}", source=lists(*tables)), Failed)


def test_a_table_that_came_later_is_unlisted_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept knows the schema as it is now."""
    unfiltered(monkeypatch)
    source = lists("customers")

    async def work(connection: Connection, connector: Resource) -> None:
        for what in (
            template("SELECT id FROM customers WHERE id = 1"),
            template("SELECT id FROM customers WHERE id LIKE 1"),
        ):
            assert await told(connection, connector, what, {}, source) == [{"id": 1}]
        place.sql("CREATE TABLE later (x)")
        assert (
            await told(connection, connector, template("SELECT count(*) FROM later"), {}, source) == "statement-refused"
        )

    with_connection(place, work)


@pytest.mark.parametrize("condition", ["w > ''", "w LIKE '%'"], ids=["on the event loop", "in a thread"])
def test_one_file_keeps_datasources_apart(place: Place, condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same statement, already compiled for another datasource."""
    unfiltered(monkeypatch)

    async def work(connection: Connection, connector: Resource) -> None:
        what = template(f"SELECT w FROM secrets WHERE {condition} ORDER BY w LIMIT 1")
        for _ in range(2):
            assert await told(connection, connector, what, {}, lists("secrets")) == [{"w": "hidden"}]
            assert await told(connection, connector, what, {}, lists("customers")) == "statement-refused"

    with_connection(place, work, pool_size=1)


def test_a_trigger_does_what_its_owner_wrote(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)

    async def work(connection: Connection, connector: Resource) -> None:
        for sql, said in (
            ("INSERT INTO customers VALUES (9, 'x', 'y')", {"changed": 1}),
            ("INSERT INTO log VALUES ('x')", "statement-refused"),
            ("INSERT INTO customers SELECT 1, w, w FROM secrets", "statement-refused"),
            ("UPDATE customers SET name = (SELECT max(w) FROM secrets)", "statement-refused"),
            ("DELETE FROM secrets", "statement-refused"),
        ):
            assert await told(connection, connector, template(sql, read_only=False), {}, lists("customers")) == said, (
                sql
            )

    with_connection(place, work, read_only=False)
    assert place.sql("SELECT n FROM log") == [("more",)]


def test_a_datasource_adds_functions(place: Place) -> None:
    sql = "SELECT soundex_of(name) AS x FROM customers"
    assert getattr(ran(place, sql, source=lists("customers")), "code", "") == "query-failed"  # there is none
    answer = ran(place, "SELECT last_insert_rowid() AS x", source=lists("customers"))
    assert isinstance(answer, Failed)
    assert "functions that are neither reviewed nor in `functions` of its datasource: last_insert_rowid" in str(answer)
    assert content(ran(place, "SELECT last_insert_rowid() AS x", source=lists(functions=("last_insert_rowid",)))) == [
        {"x": 0}
    ]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ('SELECT name FROM customers WHERE region = "eu"', "query-failed"),
        ('SELECT "nonsense" AS x', "query-failed"),
        ('SELECT count(*) AS n FROM customers WHERE "nam" = name', "query-failed"),
        ('SELECT json_extract(name, "$.a") AS x FROM customers', "query-failed"),
        ('SELECT "name" FROM "customers" AS "c" WHERE "c"."id" = 1', ""),
        ('SELECT name AS "a`b""c" FROM customers WHERE name <> \'say "x"\' /* "y" */', ""),
    ],
)
def test_a_name_that_is_no_column_is_no_string(place: Place, sql: str, code: str) -> None:
    answer = ran(place, sql)
    assert getattr(answer, "code", "") == code, answer
    if "a`b" in sql:
        assert content(answer)[0] == {'a`b"c': "Ann"}


def test_refusals_cost_no_connection(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(40):
            with pytest.raises(Failed):
                await connection.run(call_of((template("SELECT * FROM secrets"), lists("customers"), connector), {}))
        ok = template("SELECT count(*) AS n FROM customers")
        assert await told(connection, connector, ok, {}, lists("customers")) == [{"n": 3}]

    with_connection(place, work)
