"""Revision 4 of the runtime's store: evidence by numbers and native types, dictionaries, roll-ups; what was there is copied.

Its statements never change (a test pins their digest); they hold no percent sign, which a driver would read as a parameter. Rows of dictionaries that it makes itself have numbers below zero.
"""

from __future__ import annotations

_TABLES = (
    """CREATE TABLE subjects (
  number BIGINT PRIMARY KEY, tenant TEXT NOT NULL, caller TEXT NOT NULL, caller_uid TEXT NOT NULL, key TEXT NOT NULL,
  token_roles TEXT NOT NULL)""",
    """CREATE TABLE paths (
  number BIGINT PRIMARY KEY, tenant TEXT NOT NULL, target TEXT NOT NULL, action TEXT NOT NULL, connector TEXT NOT NULL,
  project TEXT NOT NULL, chain TEXT NOT NULL)""",
    "CREATE TABLE policies (number BIGINT PRIMARY KEY, tenant TEXT NOT NULL, policy TEXT NOT NULL)",
    """CREATE TABLE intents (
  id {id} PRIMARY KEY, at {real} NOT NULL, ends {real} NOT NULL, subject BIGINT NOT NULL, path BIGINT NOT NULL,
  policy BIGINT NOT NULL, generation BIGINT NOT NULL, drifted {flag} NOT NULL, value_hash {bytes} NOT NULL,
  tenant TEXT NOT NULL, run TEXT NOT NULL, shadow TEXT NOT NULL, trace {bytes} NOT NULL){parts}""",
    """CREATE TABLE outcomes (
  id {id} PRIMARY KEY, at {real} NOT NULL, size BIGINT NOT NULL, duration_ms BIGINT NOT NULL, result_rows BIGINT,
  status INTEGER, outcome TEXT NOT NULL, code TEXT NOT NULL, output_hash {bytes} NOT NULL){parts}""",
    """CREATE TABLE denials (
  id {id} PRIMARY KEY, at {real} NOT NULL, subject BIGINT NOT NULL, path BIGINT NOT NULL, policy BIGINT NOT NULL,
  generation BIGINT NOT NULL, tenant TEXT NOT NULL, target TEXT NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL,
  detail TEXT NOT NULL, run TEXT NOT NULL){parts}""",
    "CREATE TABLE denial_counts (id {id} PRIMARY KEY, at {real} NOT NULL, n BIGINT NOT NULL)",
    """CREATE TABLE pairs (
  number BIGINT PRIMARY KEY, tenant TEXT NOT NULL, caller TEXT NOT NULL, subject BIGINT NOT NULL, path BIGINT NOT NULL,
  action TEXT NOT NULL, policy BIGINT NOT NULL)""",
    """CREATE TABLE daily (
  pair BIGINT NOT NULL, day BIGINT NOT NULL, result TEXT NOT NULL, code TEXT NOT NULL, tenant TEXT NOT NULL,
  calls BIGINT NOT NULL, shadow BIGINT NOT NULL, bytes BIGINT NOT NULL, ms BIGINT NOT NULL, last BIGINT NOT NULL,
  PRIMARY KEY (pair, day, result, code))""",
    """CREATE TABLE hours (
  hour BIGINT NOT NULL, tenant TEXT NOT NULL, digest TEXT NOT NULL, calls BIGINT NOT NULL, PRIMARY KEY (hour, tenant))""",
)
_COPIES = (
    """INSERT INTO subjects SELECT -row_number() OVER (ORDER BY tenant, caller), tenant, caller, '', '', '[]'
  FROM (SELECT tenant, caller FROM intents_3 UNION SELECT tenant, caller FROM denials_3) AS k""",
    """INSERT INTO paths SELECT -row_number() OVER (ORDER BY tenant, target, action, connector), tenant, target, action,
  connector, '', '[]' FROM (SELECT DISTINCT tenant, target, action, connector FROM intents_3) AS k""",
    """INSERT INTO policies SELECT -row_number() OVER (ORDER BY tenant, policy), tenant, policy
  FROM (SELECT tenant, policy FROM intents_3 UNION SELECT tenant, policy FROM denials_3) AS k WHERE policy <> ''""",
    """INSERT INTO intents SELECT {new_id}, i.at, i.ends, s.number, p.number, COALESCE(y.number, 0), i.generation, {drifted},
  {hash}, i.tenant, i.run, '', {nothing} FROM intents_3 i
  JOIN subjects s ON s.tenant = i.tenant AND s.caller = i.caller
  JOIN paths p ON p.tenant = i.tenant AND p.target = i.target AND p.action = i.action AND p.connector = i.connector
  LEFT JOIN policies y ON y.tenant = i.tenant AND y.policy = i.policy""",
    """INSERT INTO outcomes SELECT {new_id}, i.at, i.size, i.duration_ms, i.result_rows, NULL, i.outcome, i.code, {nothing}
  FROM outcomes_3 i""",
    """INSERT INTO denials SELECT {new_id}, i.at, s.number, 0, COALESCE(y.number, 0), i.generation, i.tenant, i.target, '',
  CASE WHEN substr(i.reason, 1, 6) = 'limit:' THEN 'limit-exceeded'
  WHEN substr(i.reason, 1, 9) = 'repeated:' THEN 'repeated' ELSE i.reason END,
  CASE WHEN substr(i.reason, 1, 6) = 'limit:' THEN substr(i.reason, 7)
  WHEN substr(i.reason, 1, 9) = 'repeated:' THEN substr(i.reason, 10)
  ELSE '' END, '' FROM denials_3 i
  JOIN subjects s ON s.tenant = i.tenant AND s.caller = i.caller
  LEFT JOIN policies y ON y.tenant = i.tenant AND y.policy = i.policy""",
    "INSERT INTO denial_counts SELECT {new_id}, i.at, i.n - 1 FROM denials_3 i WHERE i.n > 1",
    "DROP TABLE outcomes_3",
    "DROP TABLE intents_3",
    "DROP TABLE denials_3",
)
_INDEXES = (
    "CREATE INDEX intents_by_tenant ON intents (tenant, id)",
    "CREATE INDEX denials_by_tenant ON denials (tenant, id)",
    "CREATE INDEX daily_by_tenant ON daily (tenant, day)",
)
_WORDS = {
    "sqlite": {
        "id": "TEXT", "real": "REAL", "bytes": "BLOB", "flag": "INTEGER", "parts": "", "nothing": "x''",
        "new_id": "substr(i.id || '00000000000000000000000000000000', 1, 32)", "drifted": "i.drifted",
        "hash": "i.value_hash",
    },
    "postgresql": {
        "id": "UUID", "real": "DOUBLE PRECISION", "bytes": "BYTEA", "flag": "BOOLEAN", "nothing": "''::bytea",
        "new_id": "rpad(i.id, 32, '0')::uuid", "drifted": "i.drifted <> 0",
        "hash": "CASE WHEN i.value_hash ~ '^([0-9a-f]{2})*$' THEN decode(i.value_hash, 'hex') "
        "ELSE convert_to(i.value_hash, 'UTF8') END",
        "parts": " PARTITION BY RANGE (id)",
    },
}  # fmt: skip
_MOVED = ("intents", "outcomes", "denials")
_PARTITIONS_MOVED = """DO $$ DECLARE old record; BEGIN
  FOR old IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('intents_3'::regclass, 'outcomes_3'::regclass, 'denials_3'::regclass)
  LOOP EXECUTE 'ALTER TABLE ' || quote_ident(old.relname) || ' RENAME TO ' || quote_ident(old.relname || '_3'); END LOOP;
END $$"""
# the months of ids that are there; a row of an absurd time goes to the rest
_MONTHS_MADE = """DO $$ DECLARE m record; t text; BEGIN
  FOR m IN SELECT DISTINCT date_trunc('month', to_timestamp(('x' || substr(id, 1, 14))::bit(56)::bigint / 1000000)
      AT TIME ZONE 'UTC') AS begins
    FROM (SELECT id FROM intents_3 UNION ALL SELECT id FROM outcomes_3 UNION ALL SELECT id FROM denials_3) AS k
    WHERE id >= '05a' AND id < '0a'
  LOOP
    FOREACH t IN ARRAY ARRAY['intents', 'outcomes', 'denials'] LOOP
      EXECUTE 'CREATE TABLE ' || t || to_char(m.begins, '_YYYY_MM') || ' PARTITION OF ' || t || ' FOR VALUES FROM ('
        || quote_literal(lpad(to_hex((extract(epoch FROM m.begins) * 1000000)::bigint), 14, '0') || repeat('0', 18))
        || ') TO (' || quote_literal(lpad(to_hex((extract(epoch FROM m.begins + interval '1 month') * 1000000)::bigint), 14, '0')
        || repeat('0', 18)) || ')';
    END LOOP;
  END LOOP;
END $$"""
_TENANT = "NULLIF(current_setting('reconciler.tenant', true), '')"
_BY_TENANT = ("subjects", "paths", "policies", "intents", "denials", "pairs", "daily", "hours")
_BY_ID = {"outcomes": "intents", "denial_counts": "denials"}


def fourth(dialect: str) -> list[str]:
    """Return the statements, in order, of a store of revision 3."""
    words = _WORDS[dialect]
    made = [
        "DROP INDEX intents_by_tenant",
        "DROP INDEX denials_by_tenant",
        *(f"ALTER TABLE {table} RENAME TO {table}_3" for table in _MOVED),
    ]
    tables = [table.format(**words) for table in _TABLES]
    copies = [copy.format(**words) for copy in _COPIES]
    if dialect != "postgresql":
        return [*made, *tables, *copies, *_INDEXES]
    made += [f"ALTER TABLE {table}_3 DROP CONSTRAINT {table}_pkey" for table in _MOVED]
    rest = [f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT" for table in _MOVED]
    return [*made, _PARTITIONS_MOVED, *tables, *rest, _MONTHS_MADE, *copies, *_INDEXES, *_security()]


def _security() -> list[str]:
    """Return the policies of rows: a reader sees one tenant; a writer adds, and sees what its grants on columns show."""
    own = dict.fromkeys(_BY_TENANT, f"tenant = {_TENANT}")
    own |= {table: f"EXISTS (SELECT 1 FROM {of} i WHERE i.id = {table}.id)" for table, of in _BY_ID.items()}
    written = ("subjects", "paths", "policies", "intents", "outcomes", "denials", "denial_counts")
    looked_at = ("intents", "outcomes")
    return [
        *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in own),
        *(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in own),
        *(f"CREATE POLICY server ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)" for table in own),
        *(f"CREATE POLICY reader ON {table} FOR SELECT USING ({rule})" for table, rule in own.items()),
        *(f"CREATE POLICY writer ON {table} FOR INSERT WITH CHECK (true)" for table in written),
        *(
            f"CREATE POLICY writer_looks ON {table} FOR SELECT USING ((SELECT has_table_privilege('{table}', 'INSERT')))"
            for table in looked_at
        ),
    ]
