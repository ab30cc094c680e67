"""DuckDB: what its process is started with, what its own parser finds, and how a call ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed
from reconciler.runtime.connectors import duckdb as gateway
from reconciler.runtime.connectors import duckdb_process
from reconciler.runtime.connectors.duckdb_reach import reach_of
from reconciler.runtime.connectors.duckdb_worker import SETTINGS
from reconciler.runtime.connectors.sql import open_sql
from reconciler.runtime.connectors.sql_file import DatabaseFile
from tests.runtime.calls import around, call, call_of
from tests.runtime.connectors.hostile import FORMS, STOLEN, by_hand, state, unfiltered
from tests.runtime.connectors.support import (
    Place,
    content,
    duckdb_place,
    lists,
    ran,
    template,
    with_connection,
)

FORBIDDEN = """
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_tables
SELECT * FROM pragma_version()
PRAGMA database_list
SET threads = 4
RESET threads
SELECT current_setting('threads')
SELECT getvariable('a')
CREATE TEMP TABLE stolen AS SELECT 1 AS a
CREATE TEMP VIEW stolen AS SELECT 1 AS a
CREATE TEMP MACRO stolen(a) AS a
COPY customers TO '/tmp/stolen.csv'
COPY customers FROM '/etc/passwd'
COPY (SELECT 1) TO '/dev/stdout'
EXPORT DATABASE '/tmp/stolen'
IMPORT DATABASE '/tmp/stolen'
ATTACH ':memory:' AS stolen
INSTALL httpfs
LOAD httpfs
USE temp
CALL pragma_version()
CHECKPOINT
SELECT * FROM (SHOW TABLES)
FROM (DESCRIBE customers)
SELECT * FROM (SUMMARIZE customers)
EXPLAIN SELECT 1
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/etc/passwd')
SELECT * FROM read_json('/etc/passwd')
SELECT * FROM read_parquet('/etc/passwd')
SELECT * FROM read_duckdb('/etc/passwd')
SELECT * FROM parquet_metadata('/etc/passwd')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM glob('/etc/*')
SELECT * FROM '/etc/passwd'
SELECT * FROM query('SELECT * FROM customers')
SELECT * FROM query_table('customers')
SELECT * FROM json_execute_serialized_sql('{}')
SELECT * FROM seq_scan('customers')
SELECT * FROM which_secret('a', 'b')
SELECT * FROM duckdb_secrets()
SELECT nextval('s')
SELECT write_log('x')
SELECT sleep_ms(5000)
SELECT 'x'.getvariable()
SELECT "getvariable"('a')
SELECT main.getvariable('a')
SELECT * FROM customers WHERE name = (SELECT current_setting('threads'))
SELECT [getvariable(x) FOR x IN ['a']]
SELECT row_number() OVER (ORDER BY getvariable('a'))
PIVOT customers ON region USING count(*)
PREPARE p AS SELECT 1
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_tables
SELECT * FROM pg_settings
SELECT * FROM sqlite_master
SELECT 1; SELECT 2
""".strip().splitlines()
WRITING = """
INSERT INTO customers SELECT 9, content, 'x' FROM read_text('/etc/passwd')
INSERT INTO customers SELECT 9, content, 'x' FROM "read_text" /* x */ ('/etc/passwd')
INSERT INTO customers SELECT 9, x, 'x' FROM query('SELECT ''y'' AS x')
UPDATE customers SET name = current_setting('threads')
UPDATE customers SET name = 'threads'.current_setting()
DELETE FROM customers WHERE getvariable('a') IS NULL
INSERT INTO customers SELECT 9, setting, 'x' FROM duckdb_settings()
DELETE FROM customers; SELECT 1
CREATE TABLE stolen (a INTEGER)
DROP TABLE customers
ALTER TABLE customers ADD COLUMN stolen INTEGER
SET VARIABLE a = 1
CREATE SECRET (TYPE s3)
TRUNCATE customers
""".strip().splitlines()
CHANGES = ("DELETE FROM customers", "WITH gone", "UPDATE", "INSERT", "REPLACE", "/* */ DELETE")
ENDLESS = "SELECT count(*) AS n FROM range(10000000000) a(i), range(100) b(j) WHERE i * j % 7 = 3"
ADD = "INSERT INTO customers VALUES (9, 'Zoe', 'eu')"


@pytest.mark.parametrize("is_filtered", [True, False])
def test_what_reaches_further_is_refused(tmp_path: Path, is_filtered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_filtered:
        unfiltered(monkeypatch)
    place = duckdb_place(tmp_path)
    forms = [sql for sql in FORMS if not sql.startswith("SELECT 1 --")]
    refused(place, [*FORBIDDEN, *forms], read_only=True)
    refused(place, [*WRITING, *(sql for sql in forms if not sql.startswith(CHANGES))], read_only=False)
    assert not STOLEN.exists()


def refused(place: Place, statements: list[str], read_only: bool) -> None:
    """By one process, as if somebody had written them into the database."""
    before = state(place)
    done: list[str] = []

    async def work(connection: Connection, connector: Resource) -> None:
        for sql in statements:
            one = template("SELECT 1", read_only=read_only)
            one.body["sql"] = sql.replace("'STOLEN'", f"'{STOLEN}'")
            with pytest.raises(Failed) as caught:
                await connection.run(call_of((one, lists(), connector), {}))
            assert caught.value.code == "statement-refused", sql
            done.append(sql)

    with_connection(place, work, read_only=read_only)
    assert (done, state(place)) == (statements, before)


def test_an_unjudged_statement_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings alone: no file, no write, no change of a setting."""
    monkeypatch.setattr(gateway, "_verdict", lambda *_: True)
    unfiltered(monkeypatch)
    place = duckdb_place(tmp_path)
    before = state(place)
    (tmp_path / "read.csv").write_text("a\n1\n")
    tried = (
        f"SELECT * FROM read_csv('{tmp_path}/read.csv')",
        f"COPY customers TO '{tmp_path}/stolen.csv'",
        f"ATTACH '{tmp_path}/stolen.db' AS stolen",
        f"EXPORT DATABASE '{tmp_path}/stolen'",
        "SET enable_external_access = true",
        "SET memory_limit = '4GB'",
        "INSTALL httpfs",
        "SELECT * FROM asked",
        ADD,
    )
    for sql in tried:
        assert isinstance(by_hand(place, sql), Failed), sql
    assert state(place) == before
    assert not [*tmp_path.glob("stolen*")]
    with duckdb.connect(config=dict(SETTINGS)) as connection:
        found = connection.execute("SELECT name, value FROM duckdb_settings()").fetchall()
    assert {("lock_configuration", "true"), ("enable_external_access", "false")} <= {*found}


def test_tables_are_those_that_duckdb_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfiltered(monkeypatch)
    place = duckdb_place(tmp_path)
    place.sql("CREATE TABLE others (x INTEGER)")
    for sql, code in (
        ("SELECT count(*) AS n FROM customers", ""),
        ("WITH others AS (SELECT 1) SELECT count(*) AS n FROM others", ""),
        ("WITH others AS (SELECT * FROM others) SELECT count(*) AS n FROM others", "statement-refused"),
        ("SELECT (WITH others AS (SELECT 1) SELECT 1), (SELECT count(*) FROM others)", "statement-refused"),
        ("SELECT count(*) AS n FROM main.others", "statement-refused"),
        ("SELECT name FROM customers WHERE EXISTS (FROM others)", "statement-refused"),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n", ""),
    ):
        assert getattr(ran(place, sql, source=lists("customers")), "code", "") == code, sql


def test_a_datasource_adds_functions(tmp_path: Path) -> None:
    place = duckdb_place(tmp_path)
    place.sql("CREATE MACRO twice(a) AS a * 2")
    answer = ran(place, "SELECT twice(2) AS n", source=lists("customers"))
    assert isinstance(answer, Failed)
    assert "twice" in str(answer)
    assert content(ran(place, "SELECT twice(2) AS n", source=lists("customers", functions=("twice",)))) == [{"n": 4}]


RESULTS: list[tuple[str, Any]] = [
    ("CAST(1.10 AS DECIMAL(5,2))", "1.10"),
    ("CAST(2 AS HUGEINT) ** 100", 2.0**100),
    ("CAST('1267650600228229401496703205376' AS HUGEINT)", "1267650600228229401496703205376"),
    ("DATE '2026-01-02'", "2026-01-02"),
    ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
    ("[1, 2]", [1, 2]),
    ("{'a': [DATE '2026-01-02']}", {"a": ["2026-01-02"]}),
    ("MAP {'a': 1}", {"a": 1}),
    ("'nan'::DOUBLE", None),
    ("'\\x01'::BLOB", "AQ=="),
    ("INTERVAL 90 SECOND", 90.0),
    ("DATE 'infinity'", "9999-12-31"),
]


def test_types_of_results(tmp_path: Path) -> None:
    columns = ", ".join(f"{expression} AS v{number}" for number, (expression, _) in enumerate(RESULTS))
    (row,) = content(ran(duckdb_place(tmp_path), f"SELECT {columns}"))
    assert [*row.values()] == [value for _, value in RESULTS]


def test_values_keep_their_types(tmp_path: Path) -> None:
    kinds = {"i": "integer", "n": "number", "d": "date", "t": "timestamp", "u": "uuid", "b": "boolean", "s": "string"}
    values = {"i": 2**80, "n": 1.5, "d": "2026-01-02", "t": "2026-01-02T03:04:05+02:00", "b": True, "s": "'; --"}
    values["u"] = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    parameters = {name: {"type": kind} for name, kind in kinds.items()}
    names = ", ".join(f"typeof(:{name}) AS {name}" for name in kinds)
    (row,) = content(ran(duckdb_place(tmp_path), f"SELECT {names}", values, parameters))
    assert row == {
        "i": "HUGEINT",
        "n": "DOUBLE",
        "d": "DATE",
        "t": "TIMESTAMP WITH TIME ZONE",
        "u": "UUID",
        "b": "BOOLEAN",
        "s": "VARCHAR",
    }


def test_it_is_interrupted_and_the_process_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = _ended(monkeypatch)

    async def work(connection: Connection, connector: Resource) -> None:
        await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        begun = time.monotonic()
        with pytest.raises(Failed) as caught:
            await connection.run(call(connector, template(ENDLESS), {}, 5.0))
        assert (caught.value.code, caught.value.outcome) == ("timeout", "timeout")
        assert 3 < time.monotonic() - begun < 10
        assert ended == []

    with_connection(duckdb_place(tmp_path), work)
    assert len(ended) == 1


def _ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that were ended."""
    found: list[int] = []
    before = duckdb_process.Process.end

    async def end(self: duckdb_process.Process) -> None:
        await before(self)
        found.append(self._process.pid)
        assert self._process.returncode is not None

    monkeypatch.setattr(duckdb_process.Process, "end", end)
    return found


def test_a_cancelled_call_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = _ended(monkeypatch)

    async def work(connection: Connection, connector: Resource) -> None:
        task = asyncio.create_task(connection.run(call(connector, template(ENDLESS), {}, 60.0)))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(ended) == 1
        assert not Path(f"/proc/{ended[0]}").exists()

    with_connection(duckdb_place(tmp_path), work)


@pytest.mark.parametrize(("when", "outcome"), [("run", "failure"), ("commit", "unknown")])
def test_a_process_that_dies(tmp_path: Path, when: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before COMMIT nothing is written; from then on nobody knows."""
    place = duckdb_place(tmp_path)
    before = duckdb_process.Process.ask

    async def ask(self: duckdb_process.Process, asked: Any, most: int) -> Any:
        if asked["do"] == when:
            self._process.kill()
            await self._process.wait()
        return await before(self, asked, most)

    monkeypatch.setattr(duckdb_process.Process, "ask", ask)
    answer = ran(place, ADD, read_only=False, connector={"read_only": False})
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("connection-lost", outcome)
    assert len(place.sql("FROM customers")) == 3


def test_the_process_has_nothing_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    found: list[bytes] = []

    async def main() -> None:
        process = await duckdb_process.started()
        try:
            await process.ask({"do": "look", "sql": "SELECT 1"}, 65536)
            found.append(Path(f"/proc/{process._process.pid}/environ").read_bytes())
            found.append(Path(f"/proc/{process._process.pid}/limits").read_bytes())
        finally:
            await process.end()

    asyncio.run(main())
    assert {one.partition(b"=")[0] for one in found[0].split(b"\0") if one} == {b"PYTHONPATH", b"TZ", b"HOME"}
    assert str(2 * 2**30).encode() in found[1]


def test_memory_has_a_bound(tmp_path: Path) -> None:
    place = duckdb_place(tmp_path)
    for sql in ("SELECT repeat('x', 3000000000) AS v", "SELECT list(i) AS v FROM range(300000000) r(i)"):
        answer = ran(place, sql)
        assert isinstance(answer, Failed)
        assert answer.code in {"query-failed", "connection-lost", "too-large"}
    assert content(ran(place, "SELECT i FROM range(1000000000) r(i)", max_rows=3)) == [{"i": 0}, {"i": 1}, {"i": 2}]


def test_files_outside_and_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    place = duckdb_place(tmp_path)
    (root / "link.duckdb").symlink_to(tmp_path / "data.duckdb")
    place.around = around(root.resolve())

    async def main() -> None:
        for name in ("../data.duckdb", "link.duckdb", "/etc/hosts"):
            with pytest.raises(Failed) as caught:
                await open_sql("acme", place.connector(database=str(root / name)), place.around)
            assert caught.value.code == "file-not-permitted"

    asyncio.run(main())
    status = (tmp_path / "data.duckdb").stat()
    place.around = around(tmp_path.resolve(), control=frozenset({(status.st_dev, status.st_ino)}))
    answer = ran(place, "SELECT 1 AS one")
    assert isinstance(answer, Failed)
    assert answer.code == "control-database"


def test_a_log_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    place = duckdb_place(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "data.duckdb.wal").symlink_to(victim)
    answer = ran(place, ADD, read_only=False, connector={"read_only": False})
    assert isinstance(answer, Failed)
    assert answer.code == "unreachable"
    assert victim.read_text() == "kept"


def test_a_file_that_is_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = duckdb_place(tmp_path)
    before = DatabaseFile.place
    monkeypatch.setattr(DatabaseFile, "place", lambda self: (before(self)[0], (1, 2)))
    answer = ran(place, "SELECT 1 AS one")
    assert isinstance(answer, Failed)
    assert answer.code == "unreachable"


def test_what_is_no_database_and_what_is_locked(tmp_path: Path) -> None:
    place = duckdb_place(tmp_path)
    (tmp_path / "none.duckdb").write_text("no database")
    for name in ("none.duckdb", "missing.duckdb", "."):
        answer = ran(place, "SELECT 1 AS one", connector={"database": str(tmp_path / name)})
        assert isinstance(answer, Failed)
        assert answer.code == "unreachable"
    assert not (tmp_path / "missing.duckdb").exists()
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "data.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        answer = ran(place, "SELECT 1 AS one")
        assert isinstance(answer, Failed)
        assert answer.code == "unreachable"
        holder.communicate(b"")
    assert content(ran(place, "SELECT 1 AS one")) == [{"one": 1}]


def test_nothing_is_held_between_calls(tmp_path: Path) -> None:
    place = duckdb_place(tmp_path)

    async def work(connection: Connection, connector: Resource) -> None:
        what = template("SELECT count(*) AS n FROM customers")
        assert (await connection.run(call(connector, what, {}))).content == [{"n": 3}]
        await asyncio.to_thread(place.sql, ADD)
        assert (await connection.run(call(connector, what, {}))).content == [{"n": 4}]

    with_connection(place, work)


def test_health(tmp_path: Path) -> None:
    place = duckdb_place(tmp_path)

    async def work(connection: Connection, _connector: Resource) -> None:
        await connection.ping()
        os.unlink(tmp_path / "data.duckdb")
        with pytest.raises(Failed) as caught:
            await connection.ping()
        assert caught.value.code == "unreachable"

    with_connection(place, work)


def test_without_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = duckdb_place(tmp_path)
    monkeypatch.setattr(gateway, "find_spec", lambda _name: None)

    async def main() -> None:
        with pytest.raises(Failed, match=r"config-reconciler\[systems\]") as caught:
            await open_sql("acme", place.connector(), place.around)
        assert caught.value.code == "not-installed"

    asyncio.run(main())


def test_every_reviewed_form_is_known() -> None:
    """Honest statements of many forms; one that nobody reviewed would be refused."""
    honest = (
        "SELECT DISTINCT ON (region) name FROM customers ORDER BY ALL LIMIT 10%",
        "SELECT * EXCLUDE (id) FROM customers USING SAMPLE 5 ROWS",
        "SELECT region, count(*) FILTER (WHERE id > 1) FROM customers GROUP BY ALL HAVING count(*) > 0",
        "SELECT sum(id) OVER (PARTITION BY region ORDER BY id ROWS 2 PRECEDING) FROM customers QUALIFY true",
        "SELECT a.name FROM customers a ASOF JOIN customers b ON a.id >= b.id",
        "SELECT x FROM (VALUES (1), (2)) t(x) UNION ALL BY NAME SELECT 3 AS x",
        "SELECT CASE WHEN id BETWEEN 1 AND 2 THEN [x * 2 FOR x IN [1]] END FROM customers",
        "FROM customers, unnest([1, 2]) u(x) SELECT name.upper() || '%' WHERE name ILIKE 'a%'",
        "SELECT CAST({'a': 1}.a AS DECIMAL(10, 2)), TRY_CAST('x' AS DATE), '{}'::JSON ->> '$.a'",
    )
    with duckdb.connect() as connection:
        for sql in honest:
            reach = reach_of(duckdb, connection, sql)
            assert (reach.kind, reach.form, reach.functions) == ("SELECT", "", []), sql


def test_a_connector_that_writes_has_one_process(tmp_path: Path) -> None:
    """Calls wait for each other: nobody meets another one's lock."""

    async def work(connection: Connection, connector: Resource) -> None:
        what = template("INSERT INTO customers VALUES (:i, 'x', 'y')", {"i": {"type": "integer"}}, read_only=False)
        reads = template("SELECT count(*) AS n FROM customers")
        calls = [call(connector, what, {"i": n}, 30.0) for n in range(5)]
        calls += [call(connector, reads, {}, 30.0) for _ in range(5)]
        answers = await asyncio.gather(*map(connection.run, calls))
        assert all(isinstance(one, Answer) for one in answers)

    place: Place = duckdb_place(tmp_path)
    with_connection(place, work, read_only=False)
    assert len(place.sql("FROM customers")) == 8
