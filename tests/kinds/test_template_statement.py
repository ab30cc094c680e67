"""Statements: what is let through, what is refused, and which tables are read."""

from __future__ import annotations

import time
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kinds.connector.sql import Dialect
from reconciler.kinds.template import statement as module
from reconciler.kinds.template.statement import inspect, position

ALL = list(get_args(Dialect))


def _codes(sql: str, dialect: str = "postgresql") -> set[str]:
    return {finding.code for finding in inspect(sql, dialect).refused}


def _tables(sql: str, dialect: str = "postgresql") -> set[str]:
    statement = inspect(sql, dialect)
    assert statement.refused == ()
    return {".".join(part.text for part in parts) for parts in statement.tables}


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS one",
        "SELECT a FROM t WHERE x = :a AND y BETWEEN :a AND :b AND z IN (:a, :b) AND n LIKE :p",
        "SELECT CAST(:x AS date) AS d, coalesce(:a, :b) AS c FROM t",
        "SELECT a FROM t ORDER BY a LIMIT :n OFFSET :o",
        "SELECT a FROM t WHERE (:r IS NULL OR r = :r) GROUP BY a HAVING count(*) > :n",
        "WITH x AS (SELECT a FROM t) SELECT a FROM x UNION ALL SELECT b FROM u",
        "SELECT CASE WHEN :x > 1 THEN :y ELSE -:z END AS v FROM t",
        "SELECT 'SELECT committee; DROP TABLE x' AS honest FROM updates",
        "SELECT a FROM t -- a comment",
    ],
)
def test_honest_queries(dialect: str, sql: str) -> None:
    statement = inspect(sql, dialect)
    assert (statement.refused, statement.writes) == ((), ())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t WHERE x = ANY(:ids) AND ts > now() - :d::interval AND b @> :j::jsonb",
        "SELECT a FROM t WHERE ts AT TIME ZONE :tz > :q AND j->>:k = :v AND j ? 'a'",
        "SELECT date_trunc(:unit, ts) FROM t WHERE x IN (SELECT unnest(:ids::int[]))",
        "SELECT interval '1 day' * :n, ARRAY[1, :b], (:ids)[1]",
        "SELECT * FROM generate_series(:a, :b) g, LATERAL (SELECT g + 1) x",
        "VALUES (1), (:a)",
        "(SELECT 1) UNION (SELECT 2)",
        "(((SELECT 1)))",
        "TABLE orders",
        "SELECT @ total FROM orders",
        "SELECT @total, a - @ (b - :c), @ -5, @ t.x FROM t WHERE @ (a - b) > :d AND a @> b AND '@ x' <> c",
    ],
)
def test_honest_queries_of_postgresql(sql: str) -> None:
    statement = inspect(sql, "postgresql")
    assert (statement.refused, statement.writes) == ((), ())


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("NOTIFY foo", "not-a-query"),
        ("NOTIFY foo, 'x'", None),
        ("DISCARD ALL", "not-a-query"),
        ("EXPLAIN ANALYZE SELECT 1", "not-a-query"),
        ("COPY t TO '/tmp/x'", "not-a-query"),
        ("COPY (SELECT 1) TO PROGRAM 'sh'", None),
        ("DO $$ BEGIN END $$", "not-a-query"),
        ("CALL f()", "not-a-query"),
        ("SET ROLE admin", "not-a-query"),
        ("SET TRANSACTION READ WRITE", None),
        ("RESET ALL", "not-a-query"),
        ("BEGIN", "not-a-query"),
        ("COMMIT", "not-a-query"),
        ("LOCK TABLE t", "not-a-query"),
        ("VACUUM", "not-a-query"),
        ("LISTEN x", "not-a-query"),
        ("PREPARE x AS SELECT 1", None),
        ("EXECUTE x", None),
        ("DECLARE c CURSOR FOR SELECT 1", None),
        ("FETCH ALL FROM c", None),
        ("CREATE TABLE t (a int)", "not-a-query"),
        ("CREATE TABLE t AS SELECT 1", "not-a-query"),
        ("DROP TABLE t", "not-a-query"),
        ("ALTER TABLE t ADD a int", "not-a-query"),
        ("TRUNCATE t", "not-a-query"),
        ("GRANT ALL ON t TO bob", "not-a-query"),
        ("REINDEX TABLE t", None),
        ("SELECT 1; SELECT 2", "multiple-statements"),
        ("SELECT 1; COMMIT; DROP TABLE t", "multiple-statements"),
        ("SELECT 1; -- x", "multiple-statements"),
        ("SELECT $1", "invalid-placeholder"),
        ("SELECT a FROM t WHERE a = ?", "invalid-placeholder"),
        ("SELECT a FROM t WHERE a = %s", None),
        ("SELECT * FROM :t", "invalid-sql"),
        ("SELECT a AS :b FROM t", None),
        ("SELEC 1", "invalid-sql"),
        ("SELECT * FROM", "invalid-sql"),
        ("", "invalid-sql"),
        (";", "invalid-sql"),
        ("-- nothing", "invalid-sql"),
        ("SELECT pg_sleep(10)", "forbidden-function"),
        ("SELECT pg_catalog.pg_sleep(10)", "forbidden-function"),
        ('SELECT "pg_sleep"(10)', "forbidden-function"),
        ("SELECT PG_SLEEP_FOR('5 minutes')", "forbidden-function"),
        ("SELECT * FROM dblink('x', 'y') AS t(a int)", "forbidden-function"),
        ("SELECT lo_import('/etc/passwd')", "forbidden-function"),
        ("SELECT pg_read_file('/etc/passwd')", "forbidden-function"),
        ("SELECT set_config('role', 'admin', false)", "forbidden-function"),
        ("SELECT pg_notify('a', 'b')", "forbidden-function"),
        ("SELECT pg_terminate_backend(1)", "forbidden-function"),
        ("SELECT pg_advisory_lock(1)", "forbidden-function"),
        ("SELECT nextval('s')", "forbidden-function"),
        ("SELECT query_to_xml('select 1', true, true, '')", "forbidden-function"),
        ("SELECT a FROM t WHERE a = (SELECT pg_sleep(1))", "forbidden-function"),
    ],
)
def test_what_no_template_may_hold(sql: str, code: str | None) -> None:
    codes = _codes(sql)
    assert codes
    assert code is None or code in codes


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT * INTO x FROM t", "postgresql"),
        ("SELECT * FROM t FOR UPDATE", "postgresql"),
        ("SELECT * FROM t FOR NO KEY UPDATE", "postgresql"),
        ("SELECT * FROM t FOR SHARE SKIP LOCKED", "postgresql"),
        ("SELECT * FROM (SELECT * FROM t FOR UPDATE) x", "postgresql"),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "postgresql"),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a", "postgresql"),
        ("WITH a AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM a", "postgresql"),
        ("WITH a AS (SELECT 1) DELETE FROM t", "postgresql"),
        ("INSERT INTO t VALUES (1)", "sqlite"),
        ("UPDATE t SET a = :a", "mysql"),
        ("DELETE FROM t", "oracle"),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "postgresql"),
        ("SELECT * FROM t LOCK IN SHARE MODE", "mysql"),
        ("SELECT * INTO #x FROM t", "mssql"),
        ("SELECT * FROM t WITH (UPDLOCK)", "mssql"),
        ("SELECT NEXT VALUE FOR s AS v", "mssql"),
    ],
)
def test_what_does_not_only_read(sql: str, dialect: str) -> None:
    statement = inspect(sql, dialect)
    assert statement.writes or statement.refused


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT 1 DELETE FROM t", "mssql"),
        ("SELECT 1 SHUTDOWN", "mssql"),
        ("SELECT * FROM t SHUTDOWN", "mssql"),
        ("SELECT 1 EXEC xp_cmdshell 'x'", "mssql"),
        ("SELECT 1 FROM t WAITFOR DELAY '0:0:5'", "mssql"),
        ("SELECT * FROM OPENROWSET('a', 'b', 'c')", "mssql"),
        ("SELECT @x", "mssql"),
        ("SELECT @x := 1", "mysql"),
        ("SELECT load_file('/etc/passwd')", "mysql"),
        ("SELECT sleep(5)", "mysql"),
        ("SELECT benchmark(1000000, md5('a'))", "mysql"),
        ("SELECT a INTO OUTFILE '/tmp/x' FROM t", "mysql"),
        ("LOAD DATA INFILE 'x' INTO TABLE t", "mysql"),
        ("ATTACH 'x' AS y", "sqlite"),
        ("PRAGMA writable_schema = 1", "sqlite"),
        ("VACUUM INTO 'x'", "sqlite"),
        ("SELECT load_extension('x')", "sqlite"),
        ("SELECT * FROM read_csv('/etc/passwd')", "duckdb"),
        ("SELECT * FROM '/etc/passwd'", "duckdb"),
        ("FROM 'data/*.parquet'", "duckdb"),
        ("COPY t TO 'x'", "duckdb"),
        ("INSTALL httpfs", "duckdb"),
        ("SELECT getenv('HOME')", "duckdb"),
        ("SELECT * FROM duckdb_settings()", "duckdb"),
        ("SELECT * FROM duckdb_tables", "duckdb"),
        ("SELECT * FROM pragma_version()", "duckdb"),
        ("SELECT * FROM read_duckdb('x')", "duckdb"),
        ("SELECT * FROM parquet_metadata('x')", "duckdb"),
        ("SELECT current_setting('threads')", "duckdb"),
        ("SELECT * FROM information_schema.tables", "duckdb"),
        ("SELECT * FROM (SHOW TABLES)", "duckdb"),
        ("CREATE TEMP TABLE x AS SELECT 1", "duckdb"),
        ("SET threads = 4", "duckdb"),
        ("SELECT * FROM url('http://169.254.169.254')", "clickhouse"),
        ("SELECT * FROM file('x')", "clickhouse"),
        ("SELECT * FROM remote('h', 'd', 't')", "clickhouse"),
        ("SELECT * FROM t SETTINGS max_execution_time = 0", "clickhouse"),
        ("SELECT * FROM t FORMAT JSON", "clickhouse"),
        ("SELECT * FROM t INTO OUTFILE 'x'", "clickhouse"),
        ("INSERT OVERWRITE DIRECTORY '/x' SELECT 1", "databricks"),
        ("SELECT * FROM parquet.`/etc/passwd`", "databricks"),
        ("SELECT utl_http.request('x') FROM dual", "oracle"),
        ("SELECT sys.dbms_lock.sleep(1) FROM dual", "oracle"),
        ("SELECT * FROM @stage", "snowflake"),
        ("CALL x()", "snowflake"),
        ("SELECT system$wait(5)", "snowflake"),
        ("SELECT * FROM EXTERNAL_QUERY('a', 'b')", "bigquery"),
    ],
)
def test_attacks_of_other_dialects(sql: str, dialect: str) -> None:
    assert _codes(sql, dialect)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", set()),
        ("SELECT * FROM a, b.c JOIN d.e.f ON true", {"a", "b.c", "d.e.f"}),
        ('SELECT * FROM "Odd.Name" x', {"Odd.Name"}),
        ("SELECT (SELECT max(x) FROM a) FROM b WHERE EXISTS (SELECT 1 FROM c)", {"a", "b", "c"}),
        ("SELECT * FROM a UNION SELECT * FROM b EXCEPT SELECT * FROM c", {"a", "b", "c"}),
        ("SELECT * FROM (SELECT * FROM a) x, LATERAL (SELECT * FROM b) y", {"a", "b"}),
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x", {"a"}),
        ("WITH x AS (SELECT * FROM a), y AS (SELECT * FROM x) SELECT * FROM y, x", {"a"}),
        ("WITH x AS (SELECT * FROM x) SELECT * FROM x", {"x"}),
        ("WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x, y", {"y"}),
        ("WITH RECURSIVE x AS (SELECT 1 UNION SELECT * FROM x) SELECT * FROM x", set()),
        ("SELECT * FROM s WHERE EXISTS (WITH s AS (SELECT 1) SELECT * FROM s)", {"s"}),
        ("WITH s AS (SELECT 1) SELECT * FROM s WHERE EXISTS (SELECT * FROM s)", set()),
        ("WITH s AS (SELECT 1) SELECT * FROM public.s", {"public.s"}),
        ('WITH "S" AS (SELECT 1) SELECT * FROM s', {"s"}),
        ('WITH s AS (SELECT 1) SELECT * FROM S, "s"', set()),
        ("WITH a AS (WITH b AS (SELECT * FROM c) SELECT * FROM b) SELECT * FROM a, b", {"c", "b"}),
        ("SELECT * FROM generate_series(1, 2) g", set()),
        ("SELECT * FROM t, unnest(t.a) u", {"t"}),
        ("TABLE secret", {"secret"}),
        ("SELECT :w IN secret", {"secret"}),
        ("SELECT a FROM t WHERE a NOT IN public.secret", {"t", "public.secret"}),
        ("WITH s AS (SELECT 1) SELECT 1 IN s, a IN (SELECT 2), a IN (b) FROM t", {"t"}),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x, u", {"t", "u"}),
    ],
)
def test_tables(sql: str, tables: set[str]) -> None:
    assert _tables(sql) == tables


@pytest.mark.parametrize("depth", [60, 100, 304, 5000, 30_000])
def test_nested_parentheses_are_a_finding(depth: int) -> None:
    statement = inspect("SELECT " + "(" * depth + "1" + ")" * depth, "postgresql")
    assert {finding.code for finding in statement.refused} <= {"invalid-sql"}
    assert statement.refused or depth == 60


@pytest.mark.parametrize(
    "piece", ["CASE WHEN 1 THEN ", "NOT ", "f(", "x[", "SELECT * FROM (", "WITH a AS (", "- ", "a OR ", "1 + "]
)
def test_nothing_takes_long_or_raises(piece: str) -> None:
    start = time.perf_counter()
    for count in (50, 3000):
        inspect("SELECT " + piece * count + "1", "postgresql")
    assert time.perf_counter() - start < 10


def test_a_syntax_error_says_where() -> None:
    (finding,) = inspect("SELECT a\nFROM t WHERE\n  GROUP BY", "postgresql").refused
    assert "line 3" in finding.message
    assert "column" in finding.message


def test_errors_are_no_terminal_escapes() -> None:
    for sql in ("SELECT * FROM t WHERE (", "SELECT 1 1", "SELECT 'a", "SELECT @@@"):
        for finding in inspect(sql, "postgresql").refused:
            assert "\x1b" not in finding.message
            assert "Token" not in finding.message


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    for sql in ("EXPLAIN SELECT 1", "CALL f()", "DO $$ x $$", "SHOW x", "ALTER TABLE x FOO BAR"):
        inspect(sql + " ", "postgresql")
    out, err = capfd.readouterr()
    assert (out, err, caplog.records) == ("", "", [])


def test_positions() -> None:
    assert position("abc", 1) == "line 1, column 2"
    assert position("a\nbc", 3) == "line 2, column 2"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "SELECT",
                "FROM",
                "t",
                "*",
                ",",
                "(",
                ")",
                "WHERE",
                "a",
                "=",
                ":b",
                "'x'",
                "WITH",
                "AS",
                "DELETE",
                ";",
                "1",
                "UNION",
            ]
        ),
        max_size=15,
    ),
    st.sampled_from(ALL),
)
def test_inspect_never_raises(words: list[str], dialect: str) -> None:
    inspect(" ".join(words), dialect)


def test_statements_that_compare_with_other_integers_are_read_once() -> None:
    module._read.cache_clear()
    for number in (17, 18, 1900):
        assert _tables(f"SELECT a FROM t WHERE customer = {number} AND n <{number} AND x = :x") == {"t"}
    assert module._read.cache_info().misses == 1


def test_what_is_found_is_told_of_the_very_text() -> None:
    seven, hundred = (inspect(f"SELECT a FROM t WHERE n = {n} FROM FROM", "postgresql").refused[0] for n in (7, 100))
    columns = [int(found.message.partition("column ")[2].split(" ")[0]) for found in (seven, hundred)]
    assert columns[1] - columns[0] == 2


NUMBERS = [
    "1",
    "17",
    "1.5",
    "1e5",
    "0x1F",
    "1_000",
    "1abc",
    "'1'",
    '"t1"',
    "t1",
    "`t1`",
    "[t1]",
    "$1",
    "a-1",
    "a -1",
    ":p",
    "--1\n",
    "/*1*/1",
    "d-2.t",
]
FORMS = ["SELECT a FROM {} WHERE n = {}", "SELECT {} = {}, b FROM t", "SELECT a FROM t WHERE n >{} AND m<= {} LIMIT 5", "SELECT f(a => {}) FROM t, {}", "SELECT a FROM t WHERE a->{} = {}", "DELETE FROM t WHERE n = {} OR n ={}", "SELECT a FROM t WHERE n = {} FROM {}", "SELECT CAST(a AS ARRAY<{}>) FROM t WHERE n <> {}", "WITH x AS (SELECT {} AS n) SELECT n FROM x WHERE n ={}", "SELECT a FROM p.d={} WHERE b={}"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ALL), st.sampled_from(FORMS), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
def test_it_is_what_reading_each_gives(dialect: str, form: str, one: str, other: str) -> None:
    for sql in (form.format(one, other), form.format(other, one)):
        fresh = module._read.__wrapped__(module._without_placeholders(sql, dialect), dialect)
        assert inspect.__wrapped__(sql, dialect) == fresh
