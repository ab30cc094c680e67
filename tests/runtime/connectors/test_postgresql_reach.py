"""What PostgreSQL itself says of a statement: functions outside of the reviewed list and tables outside of `tables` are refused."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed
from reconciler.runtime.connectors.postgresql_reach import reach_of
from tests.runtime.calls import call_of
from tests.runtime.connectors.hostile import unfiltered
from tests.runtime.connectors.reaching import HONEST, QUERIES, REACHING, WRITES
from tests.runtime.connectors.support import (
    Place,
    content,
    lists,
    postgresql_place,
    ran,
    template,
    told,
    with_connection,
)


@pytest.fixture(scope="module")
def place(postgres_server: str) -> Place:
    """A database whose owner made one of everything that calls a function of its own."""
    made = postgresql_place(postgres_server)
    made.sql("CREATE TABLE secrets (w text); INSERT INTO secrets VALUES ('hidden')")
    made.sql("CREATE VIEW v AS SELECT id, name, (SELECT max(w) FROM secrets) AS w FROM customers")
    made.sql("CREATE INDEX by_name ON customers (name)")
    made.sql("CREATE SEQUENCE numbers")
    made.sql("CREATE TYPE pair AS (a int, b int)")
    for function in (
        "leak(text) RETURNS text LANGUAGE sql AS 'SELECT max(w) FROM public.secrets'",
        "lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT max(w) FROM public.secrets'",
        "leaked(customers) RETURNS text LANGUAGE sql AS 'SELECT max(w) FROM public.secrets'",
        "opened(int) RETURNS SETOF secrets LANGUAGE sql AS 'SELECT * FROM public.secrets'",
        "same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true'",
        "paired(pair) RETURNS text LANGUAGE sql AS 'SELECT max(w) FROM public.secrets'",
    ):
        made.sql(f"CREATE FUNCTION {function}")
    made.sql("CREATE OPERATOR ==> (FUNCTION = same, LEFTARG = int, RIGHTARG = int)")
    made.sql("CREATE CAST (pair AS text) WITH FUNCTION paired(pair)")
    made.sql("CREATE AGGREGATE summed(int) (SFUNC = int4pl, STYPE = int)")
    made.sql("CREATE TABLE parent (id int, name text) PARTITION BY LIST (id)")
    made.sql("CREATE TABLE child PARTITION OF parent FOR VALUES IN (1)")
    made.sql("INSERT INTO parent VALUES (1, 'x')")
    made.sql("CREATE TABLE old (id int); CREATE TABLE older () INHERITS (old)")
    made.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO agent")
    made.sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO agent")
    return made


def asked(place: Place, statements: list[str], source: Resource | None = None) -> list[Answer | Failed]:
    """What comes of each, through one connection."""
    found: list[Answer | Failed] = []

    async def work(connection: Connection, connector: Resource) -> None:
        for sql in statements:
            one = template("SELECT 1")
            one.body["sql"] = sql
            try:
                found.append(await connection.run(call_of((one, source or lists(), connector), {})))
            except Failed as error:
                found.append(error)

    with_connection(place, work)
    return found


def test_what_nobody_reviewed_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)
    place.sql("SELECT setval('numbers', 7)")
    answers = asked(place, [f"SELECT {expression} AS x FROM customers" for expression in REACHING])
    passed = {
        expression: str(answer) for expression, answer in zip(REACHING, answers, strict=True) if not refused(answer)
    }
    assert not passed
    assert place.sql("SELECT last_value FROM numbers") == [(7,)]


def refused(answer: Answer | Failed) -> bool:
    """By us, not by a server that lacks a privilege or a library."""
    wanted = ("statement-refused", "blocked")
    return isinstance(answer, Failed) and (answer.code, answer.outcome) == wanted and "statement uses" in str(answer)


def test_what_was_reviewed_runs(place: Place) -> None:
    tail = {"GROUPING(id)": " GROUP BY id"}
    statements = [*(f"SELECT {one} AS x FROM customers{tail.get(one, '')}" for one in HONEST), *QUERIES]
    answers = asked(place, statements, lists("customers"))
    failed = {one: str(answer) for one, answer in zip(statements, answers, strict=True) if isinstance(answer, Failed)}
    assert not failed


def test_what_was_reviewed_writes(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("CREATE TABLE keyed (id int PRIMARY KEY, n text); GRANT ALL ON keyed TO agent")
    source, found = lists("customers", "keyed"), {}

    async def work(connection: Connection, connector: Resource) -> None:
        for sql in WRITES:
            found[sql] = await told(connection, connector, template(sql, read_only=False), {}, source)

    with_connection(place, work, read_only=False)
    assert not {sql: said for sql, said in found.items() if isinstance(said, str)}


def test_text_of_a_caller_is_no_query(place: Place) -> None:
    """Through templates that every parser takes for harmless."""
    q = {"q": {"type": "string"}}
    for sql in ("SELECT ts_rewrite('a'::tsquery, :q) AS x", "SELECT leak(:q) AS x", "SELECT * FROM leak(:q) AS x"):
        answer = ran(place, sql, {"q": "SELECT 'a'::tsquery, w::tsquery FROM secrets"}, q)
        assert refused(answer), sql


@pytest.mark.parametrize(
    ("tables", "sql", "allowed"),
    [
        (["customers"], "SELECT name FROM v", False),
        (["v"], "SELECT w FROM v", True),  # whoever made the view decided what it shows
        (["v"], "SELECT v.w, s.w FROM v, secrets s", False),
        (["customers"], "SELECT (SELECT max(w) FROM secrets) FROM customers", False),
        (["customers"], "WITH customers AS (SELECT w FROM secrets) SELECT * FROM customers", False),
        (["customers"], "SELECT name FROM customers UNION TABLE secrets", False),
        (["customers"], 'SELECT * FROM customers, "secrets"', False),
        (
            ["customers"],
            "SELECT json_populate_record(NULL::secrets, '{}') FROM customers",
            False,
        ),  # names of its columns
        (["parent"], "SELECT * FROM parent", True),
        (["parent"], "SELECT * FROM child", False),
        (["old"], "SELECT * FROM old", True),
        (["old"], "SELECT * FROM older", False),
        (["public.*"], "SELECT * FROM secrets", True),
        (["public.*"], "SELECT relname FROM pg_class", False),
        (["public.*"], "SELECT table_name FROM information_schema.tables", False),
        (["*"], "SELECT count(*) FROM secrets", True),
        ([], "SELECT count(*) FROM secrets", True),
    ],
)
def test_tables_are_those_that_the_server_reads(
    place: Place, tables: list[str], sql: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfiltered(monkeypatch)
    (answer,) = asked(place, [sql], lists(*tables))
    assert isinstance(answer, Answer) == allowed, answer
    assert allowed or refused(answer)


@pytest.mark.parametrize(
    ("added", "expression", "allowed"),
    [
        ("leak", "leak('x')", True),
        ("public.leak", "leak('x')", True),
        ("public.*", "leak('x')", True),
        ("other.leak", "leak('x')", False),
        ("same", "id OPERATOR(public.==>) 1", True),
        ("summed", "summed(id)", True),
        ("pg_relation_size", "pg_relation_size('secrets')", True),
        ("version", "'secrets'::regclass || version()", False),
        ("pg_catalog.version", "version()", True),
        ("version", "version()", True),
        ("public.version", "version()", False),
    ],
)
def test_a_datasource_adds_functions(place: Place, added: str, expression: str, allowed: bool) -> None:
    answer = ran(place, f"SELECT {expression} AS x FROM customers", source=lists(functions=(added,)))
    assert isinstance(answer, Answer) == allowed, answer


def test_the_author_learns_what_to_add(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "reconciler.runtime.sql"):
        answer = ran(place, "SELECT leak(name) AS x FROM customers", source=lists("customers"))
    assert refused(answer)
    said = "functions that are neither reviewed nor in `functions` of its datasource: public.leak(text)"
    assert said in str(answer)
    assert f"acme/template/it: the statement uses {said}" in caplog.text


def test_what_is_written_is_judged_too(place: Place) -> None:
    place.sql("CREATE TABLE log (id serial, n text)")
    place.sql("GRANT ALL ON log TO agent; GRANT ALL ON SEQUENCE log_id_seq TO agent")
    source, found = lists("log"), []

    async def work(connection: Connection, connector: Resource) -> None:
        for sql in (
            "INSERT INTO log (n) VALUES (lower('A'))",  # its default calls nextval: the owner of the table says so
            "INSERT INTO log (n) VALUES (leak('a'))",
            "INSERT INTO log (n) VALUES ('b') RETURNING leak(n)",
            "UPDATE log SET n = (SELECT max(w) FROM v)",
        ):
            what = template(sql, read_only=False)
            found.append(await told(connection, connector, what, {}, source))

    with_connection(place, work, read_only=False)
    assert found == [{"changed": 1}, "statement-refused", "statement-refused", "statement-refused"]
    assert place.sql("SELECT n FROM log") == [("a",)]


def test_one_connection_keeps_datasources_apart(place: Place) -> None:
    async def work(connection: Connection, connector: Resource) -> None:
        what = template("SELECT leak(name) AS x FROM customers WHERE id = 1")
        for _ in range(2):
            assert await told(connection, connector, what, {}, lists(functions=("leak",))) == [{"x": "hidden"}]
            assert await told(connection, connector, what, {}, lists()) == "statement-refused"
            assert (
                await told(connection, connector, what, {}, lists("parent", functions=("leak",))) == "statement-refused"
            )

    with_connection(place, work, pool_size=1)


def test_names_in_a_statement_hide_nothing(place: Place) -> None:
    """Whatever a statement calls its columns, it is no part of the tree."""
    for name in (":funcid 99999 :x", "{QUERY}", "\\\\:relid 1", "pg_read_file", "a\\ :funcid 5"):
        quoted = name.replace('"', '""')
        answer = ran(
            place, f'SELECT "{quoted}" FROM (SELECT name AS "{quoted}" FROM customers) t', source=lists("customers")
        )
        assert len(content(answer)) == 3, name
        answer = ran(
            place, f'SELECT leak("{quoted}") FROM (SELECT name AS "{quoted}" FROM customers) t', source=lists()
        )
        assert refused(answer), name


@pytest.mark.parametrize(
    ("tree", "reach"),
    [
        ("{FUNCEXPR :funcid 1}", ({1}, set(), set())),
        ("{OPEXPR :opno 2 :opfuncid 1}", ({1}, {2}, set())),
        ("{SCALARARRAYOPEXPR :opno 2 :opfuncid 1 :hashfuncid 3 :negfuncid 0}", ({1, 3}, {2}, set())),
        ("{ROWCOMPAREEXPR :opnos (o 2 4) :opfamilies (o 9 9)}", (set(), {2, 4}, set())),
        ("{AGGREF :aggfnoid 1}", ({1}, set(), set())),
        ("{WINDOWFUNC :winfnoid\n1}", ({1}, set(), set())),
        ("{WINDOWCLAUSE :startInRangeFunc 1 :endInRangeFunc 2}", ({1, 2}, set(), set())),
        ("{TABLESAMPLECLAUSE :tsmhandler 1}", ({1}, set(), set())),
        ("{CTECYCLECLAUSE :cycle_mark_neop 2}", (set(), {2}, set())),
        ("{RANGETBLENTRY :rtekind 0 :relid 16384}", (set(), set(), {16384})),
    ],
)
def test_every_way_to_a_function_is_read(tree: str, reach: tuple[set[int], ...]) -> None:
    assert reach_of(tree)[:3] == reach


def test_a_form_that_nobody_reviewed_is_refused() -> None:
    assert reach_of("{QUERY :rtable ({RANGETBLENTRY :relid\n16384 })}").relations == {16384}
    with pytest.raises(Failed, match="NEWNODE"):
        reach_of("{QUERY :targetList ({NEWNODE :function 1})}")


def test_a_server_that_reports_nothing_is_not_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.postgresql_session.REPORT", "SELECT 1")
    answer: Any = ran(place, "SELECT name FROM customers")
    assert (answer.code, answer.outcome) == ("not-supported", "blocked")
