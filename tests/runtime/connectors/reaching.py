"""Expressions and statements of PostgreSQL: those that reach further than their arguments and tables, and honest ones."""

from __future__ import annotations

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
QUERIES = """
SELECT region, count(*), grouping(region) FROM customers GROUP BY GROUPING SETS ((region), ())
SELECT region, id, count(*) FROM customers GROUP BY CUBE (region, id) HAVING count(*) > 0
SELECT DISTINCT ON (region) region, name FROM customers ORDER BY region, name DESC NULLS LAST
SELECT * FROM customers c LEFT JOIN LATERAL (SELECT * FROM customers d WHERE d.id < c.id LIMIT 1) e USING (id)
SELECT * FROM ROWS FROM (generate_series(1,2), unnest(ARRAY[3,4])) WITH ORDINALITY AS t(a,b,o)
SELECT (c).name, (c).* FROM customers c
SELECT ROW(c.*)::customers FROM customers c
SELECT c::text FROM customers c WHERE c IS DISTINCT FROM NULL
SELECT ARRAY(SELECT id FROM customers), ARRAY[1,2] || 3, '{1,2}'::int[] @> ARRAY[1], (ARRAY[1,2])[1]
SELECT name FROM customers INTERSECT SELECT name FROM customers EXCEPT SELECT 'x' ORDER BY 1 LIMIT 2 OFFSET 0
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(a, b)
WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 3) SEARCH DEPTH FIRST BY i SET o CYCLE i SET c TO true DEFAULT false USING p SELECT i FROM t
SELECT first_value(id) OVER w, nth_value(id, 2) OVER w, ntile(2) OVER w FROM customers WINDOW w AS (PARTITION BY region ORDER BY id GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES)
SELECT count(*) FILTER (WHERE id > 1), mode() WITHIN GROUP (ORDER BY region), rank(2) WITHIN GROUP (ORDER BY id) FROM customers
SELECT CASE WHEN id IN (1,2) THEN 'x' WHEN id BETWEEN SYMMETRIC 5 AND 3 THEN 'y' END, id = ALL(ARRAY[1]), id NOT IN (SELECT 9) FROM customers
SELECT name COLLATE "C" < 'b', name ILIKE '%a%', name !~ 'x', name ^@ 'A', trim(name), left(name, 1), substring(name from '.'), name LIKE 'a' ESCAPE 'b' FROM customers
SELECT now() AT TIME ZONE 'utc', localtimestamp, current_timestamp(0), extract(epoch from now()), date '2020-01-01' + 1, justify_interval('1 day'), (now() - now())::text, to_timestamp(0)
SELECT 1::money, 1.5::numeric(5,2), 1::bit(3), B'101' & B'100', '\\x00'::bytea || '\\x01', 1::bool, 'a'::char(3), 'a'::name, 5!=4, 7 # 2, ~1, 1 << 2, |/ 4.0, ||/ 8.0, 5 % 2, 2 ^ 3
SELECT '(1,2)'::point <-> '(3,4)'::point, '10.1.1.1'::inet + 1, host('10.0.0.1'), '08:00:2b:01:02:03'::macaddr, gen_random_uuid()::text
SELECT j->'a', j->>'a', j#>'{a}', j#>>'{a}', j ? 'a', j ?| ARRAY['a'], j ?& ARRAY['a'], j @> '{}', j - 'a', j || '{}', j @? '$.a', j @@ '$.a == 1', jsonb_set(j, '{a}', '1'), j['a'] FROM (SELECT '{"a":1}'::jsonb j) x
SELECT * FROM jsonb_to_recordset('[{"a":1}]') AS x(a int, b text)
SELECT * FROM jsonb_each('{"a":1}'), json_each_text('{"a":1}'), regexp_matches('ab', 'a', 'g'), regexp_split_to_table('a b', ' '), string_to_table('a,b', ',')
SELECT json_agg(c), jsonb_object_agg(name, id), string_agg(name, ','), bool_and(id > 0), stddev(id), corr(id, id), regr_slope(id, id), array_agg(DISTINCT id), every(true), bit_or(id), range_agg(int4range(id, id + 1)) FROM customers c
SELECT current_user, session_user, current_catalog, current_schema, user
SELECT ts_headline('english', name, to_tsquery('a')), to_tsvector(name) || to_tsvector('b'), setweight(to_tsvector(name), 'A'), 'a'::tsquery && 'b'::tsquery, to_tsvector('simple', name) @@ phraseto_tsquery('a b') FROM customers
SELECT GREATEST(name, 'x'), LEAST(1, 2), NULLIF(name, 'x'), COALESCE(name, 'x'), num_nulls(1, NULL) FROM customers
SELECT int4range(1,3) * int4range(2,4), isempty(int4range(1,1)), '{[1,2)}'::int4multirange @> 1, tstzrange(now(), NULL) -|- tstzrange(NULL, now())
SELECT ctid::text, tableoid::int, xmin::text FROM customers
SELECT width_bucket(1, 0, 10, 5), round(1.5), trunc(1.5), ceil(1.2), mod(5, 2), div(5, 2), gcd(4, 6), log(10), ln(2.0), sqrt(4), power(2, 3), sign(-1), factorial(3), random()
SELECT encode(sha256('a'), 'hex'), decode('00', 'hex'), md5('a'), chr(65), ascii('a'), repeat('a', 2), reverse('ab'), lpad('a', 2), translate('a', 'a', 'b'), initcap('a'), concat_ws(',', 'a', 1), quote_ident('a'), strpos('a', 'a'), octet_length('a'), char_length('a'), starts_with('ab', 'a')
""".strip().splitlines()
WRITES = """
INSERT INTO customers VALUES (4, 'd', 'eu') ON CONFLICT DO NOTHING RETURNING id, name
INSERT INTO customers (id, name) SELECT id + 10, upper(name) FROM customers
UPDATE customers c SET name = d.name FROM customers d WHERE d.id = c.id RETURNING c.*
UPDATE customers SET (name, region) = (SELECT 'a', 'b') WHERE id = 1
DELETE FROM customers c USING customers d WHERE c.id = d.id AND c.id > 10
INSERT INTO customers DEFAULT VALUES
MERGE INTO customers c USING (SELECT 1 AS id) s ON c.id = s.id WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT VALUES (1, 'x', 'y')
INSERT INTO keyed VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET n = excluded.n || keyed.n WHERE keyed.id > 0
""".strip().splitlines()
