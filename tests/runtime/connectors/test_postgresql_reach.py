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

REACHING = """
ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')
ts_stat('SELECT ''a''::tsvector')
query_to_xml('SELECT 1', true, true, '')
query_to_xmlschema('SELECT 1', true, true, '')
query_to_xml_and_xmlschema('SELECT 1', true, true, '')
table_to_xml('secrets', true, true, '')
table_to_xmlschema('secrets', true, true, '')
schema_to_xml('public', true, true, '')
schema_to_xml_and_xmlschema('public', true, true, '')
database_to_xml(true, true, '')
cursor_to_xml('c', 1, true, true, '')
xpath('/a', NULL)
xpath_exists('/a', NULL)
xmlexists('/a' PASSING NULL)
pg_read_file('/etc/passwd')
pg_read_binary_file('/etc/passwd')
pg_stat_file('/etc/passwd')
pg_ls_dir('/')
pg_ls_logdir()
pg_ls_waldir()
pg_ls_tmpdir()
pg_ls_archive_statusdir()
pg_current_logfile()
lo_import('/etc/passwd')
lo_export(1, '/tmp/x')
lo_create(0)
lo_creat(0)
lo_from_bytea(0, 'x')
lo_get(1)
lo_put(1, 0, 'x')
lo_open(1, 131072)
lo_unlink(1)
loread(0, 1)
pg_sleep(9)
pg_sleep_for('9 s')
pg_sleep_until(now())
pg_notify('a', 'b')
pg_terminate_backend(1)
pg_cancel_backend(1)
pg_reload_conf()
pg_rotate_logfile()
pg_switch_wal()
pg_promote()
pg_backup_start('x')
pg_create_restore_point('x')
pg_export_snapshot()
pg_logical_emit_message(true, 'a', 'b')
pg_create_physical_replication_slot('x')
pg_drop_replication_slot('x')
pg_replication_origin_create('x')
pg_import_system_collations('public')
pg_advisory_lock(1)
pg_try_advisory_lock(1)
pg_advisory_xact_lock(1)
pg_advisory_unlock_all()
set_config('role', 'postgres', false)
current_setting('data_directory')
setseed(0.5)
nextval('numbers')
setval('numbers', 1)
currval('numbers')
lastval()
pg_sequence_last_value('numbers')
pg_sequence_parameters(1)
pg_stat_get_activity(NULL)
pg_stat_get_backend_activity(1)
pg_stat_get_backend_idset()
pg_lock_status()
pg_show_all_settings()
pg_show_all_file_settings()
pg_hba_file_rules()
pg_config()
pg_control_system()
pg_prepared_statement()
pg_prepared_xact()
pg_cursor()
pg_available_extensions()
pg_timezone_names()
pg_get_keywords()
pg_get_viewdef('v')
pg_get_functiondef(1)
pg_get_constraintdef(1)
pg_get_indexdef(1)
pg_get_ruledef(1)
pg_get_triggerdef(1)
pg_get_expr(NULL, 1)
pg_get_userbyid(10)
pg_get_serial_sequence('secrets', 'w')
pg_describe_object(1259, 1259, 0)
pg_identify_object(1259, 1259, 0)
pg_relation_size('secrets')
pg_total_relation_size('secrets')
pg_table_size('secrets')
pg_indexes_size('secrets')
pg_database_size(1)
pg_tablespace_size(1663)
pg_relation_filepath('secrets')
pg_relation_filenode('secrets')
pg_filenode_relation(0, 1)
pg_partition_tree('secrets')
pg_table_is_visible(1)
pg_stat_get_live_tuples(1)
pg_stat_get_numscans(1)
pg_stat_reset()
pg_options_to_table(NULL)
pg_tablespace_databases(1663)
pg_input_is_valid('secrets', 'regclass')
pg_xact_status('1')
pg_current_xact_id()
txid_current()
txid_status(1)
pg_blocking_pids(1)
pg_safe_snapshot_blocking_pids(1)
pg_listening_channels()
pg_notification_queue_usage()
pg_postmaster_start_time()
pg_conf_load_time()
pg_is_in_recovery()
pg_last_wal_replay_lsn()
pg_current_wal_lsn()
pg_log_backend_memory_contexts(1)
pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
has_table_privilege('secrets', 'SELECT')
has_column_privilege('secrets', 'w', 'SELECT')
has_database_privilege('x', 'CONNECT')
has_schema_privilege('public', 'USAGE')
pg_has_role('postgres', 'MEMBER')
row_security_active('secrets')
obj_description(1, 'pg_class')
col_description(1, 1)
shobj_description(1, 'pg_database')
format_type(16384, NULL)
to_regclass('secrets')
to_regrole('postgres')
to_regproc('leak')
to_regtype('secrets')
currtid2('secrets', '(0,1)')
satisfies_hash_partition(1, 2, 0, 1)
inet_server_addr()
inet_client_addr()
version()
current_schemas(true)
aclexplode(NULL)
makeaclitem(10, 10, 'SELECT', true)
acldefault('r', 10)
current_query()
ts_debug('a')
ts_parse('default', 'a')
ts_token_type('default')
binary_upgrade_set_next_pg_type_oid(1)
brin_summarize_new_values('by_name')
gin_clean_pending_list('by_name')
fmgr_internal_validator(1)
int4in('1')
textout('x')
regclassin('secrets')
leak('x')
public.leak('x')
lower('x'::varchar)
opened(1)
summed(id)
(customers).leaked
customers.leaked
leaked(customers)
id ==> 1
NOT (id ==> 1)
id OPERATOR(public.==>) 1
ROW(1, 2)::pair::text
EXISTS (SELECT 1 WHERE leak('x') = 'x')
(WITH w AS MATERIALIZED (SELECT leak('x') AS l) SELECT l FROM w)
count(*) FILTER (WHERE leak('x') = 'x')
max(leak('x')) OVER (ORDER BY leak('y'))
CASE WHEN leak('x') IS NULL THEN 1 END
(ARRAY[leak('x')])[1]
COALESCE(leak('x'), leak('y'))
json_object(leak('x') VALUE 1)
'secrets'::regclass
'{secrets}'::regclass[]::text
'secrets'::regclass::oid
1259::regclass::text
10::regrole::text
'leak'::regproc::text
16384::regtype::text
'public'::regnamespace::text
CAST('lower(text)' AS regprocedure)
(SELECT x FROM json_to_record('{"x": "secrets"}') AS r(x regclass))
JSON_VALUE('{"x": "secrets"}', '$.x' RETURNING regclass)
""".strip().splitlines()
"""More than 150 expressions: functions that run text, read files, settings, catalogs or other sessions, and ways to call
one of the database's own: by attribute, operator, cast, aggregate and window."""
HONEST = """
lower(name) || upper(region) || trim(both ' ' FROM name)
id + 1 - 2 * 3 / 4 % 5 + 2 ^ 2
@ id
-id
id BETWEEN 1 AND 3 AND name LIKE 'A%' AND name ~* 'a' AND name SIMILAR TO 'A%'
name IN ('Ann', 'Bob') OR id = ANY(ARRAY[1, 2]) OR name IS DISTINCT FROM 'x' OR NULLIF(id, 1) IS NULL
(id, name) < (2, 'x')
GREATEST(id, 2) + LEAST(id, 1) + COALESCE(id, 0)
CASE region WHEN 'eu' THEN 1 ELSE 2 END
id::text || id::numeric || id::float8 || '2020-01-01'::date || '1 day'::interval
to_char(now(), 'YYYY') || extract(year FROM now()) || date_trunc('day', now()) || age(now())
now() - interval '1 day' + make_interval(days => 2)
timezone('utc', now()) AT TIME ZONE 'Europe/Berlin'
current_date + current_time
to_json(customers) ->> 'name'
jsonb_build_object('a', id) -> 'a'
jsonb_path_query_first('{"a": 1}'::jsonb, '$.a')
(SELECT count(*) FROM jsonb_array_elements('[1, 2]'::jsonb) x, generate_series(1, 3) y, unnest(ARRAY[1]) z)
(SELECT string_agg(DISTINCT c.name, ',' ORDER BY c.name) FROM customers c)
(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY c.id) FROM customers c)
(SELECT array_agg(c.id ORDER BY c.id) FILTER (WHERE c.id > 1) FROM customers c)
row_number() OVER (PARTITION BY region ORDER BY id) + lag(id) OVER (ORDER BY id)
sum(id) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW)
to_tsvector('english', name) @@ websearch_to_tsquery('english', 'ann')
ts_rank(to_tsvector(name), plainto_tsquery('ann'))
ts_rewrite('a'::tsquery, 'a'::tsquery, 'b'::tsquery)
regexp_replace(name, 'a', 'b') || split_part(name, 'a', 1) || format('%s', id) || md5(name)
int4range(1, 5) @> id AND '[1,2]'::int4range && int4range(1, 3)
'10.0.0.1'::inet << '10.0.0.0/8'::cidr
gen_random_uuid() IS NOT NULL AND random() < 2
overlay(name PLACING 'x' FROM 1 FOR 1) || substring(name FROM 1 FOR 1) || position('a' IN name)
(date '2020-01-01', date '2020-02-01') OVERLAPS (date '2020-01-15', date '2020-03-01')
pg_typeof(id)::text || pg_column_size(id)
GROUPING(id)
JSON_VALUE('{"x": 1}', '$.x' RETURNING int)
JSON_OBJECT('a' VALUE id)
(SELECT x FROM JSON_TABLE('[{"a": 1}]', '$[*]' COLUMNS (x int PATH '$.a')))
(SELECT x FROM json_to_record('{"x": 1}') AS r(x int))
(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT max(i) FROM n)
(WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT 1 FROM n) CYCLE i SET c USING p SELECT max(i) FROM n)
(SELECT count(*) FROM customers TABLESAMPLE SYSTEM (100))
current_user || current_database()
name COLLATE "C"
(ARRAY[1, 2, 3])[2:3] || (ARRAY[[1]])[1][1]
ROW(id, name) IS NOT NULL AND id IS NOT NULL AND (id = 1) IS TRUE
""".strip().splitlines()


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
    statements = [f"SELECT {one} AS x FROM customers{tail.get(one, '')}" for one in HONEST]
    answers = asked(place, statements, lists("customers"))
    failed = {one: str(answer) for one, answer in zip(HONEST, answers, strict=True) if isinstance(answer, Failed)}
    assert not failed


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
