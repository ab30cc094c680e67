"""The tables of the runtime's store, made where there are none; rows are only ever added, but for counters and slots."""

from __future__ import annotations

REVISION = "1"
TABLES = (
    "CREATE TABLE runtime_schema (version TEXT NOT NULL)",
    f"INSERT INTO runtime_schema VALUES ('{REVISION}')",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE counters (
  tenant TEXT NOT NULL, target TEXT NOT NULL, unit TEXT NOT NULL, period TEXT NOT NULL, n BIGINT NOT NULL,
  PRIMARY KEY (tenant, target, unit, period))""",
    # a slot is a lease: one that a killed process held ends by itself
    """CREATE TABLE slots (
  tenant TEXT NOT NULL, target TEXT NOT NULL, id TEXT NOT NULL, ends {real} NOT NULL, PRIMARY KEY (tenant, target, id))""",
    "CREATE INDEX slots_by_id ON slots (id)",
    """CREATE TABLE intents (
  id TEXT PRIMARY KEY, at {real} NOT NULL, ends {real} NOT NULL, tenant TEXT NOT NULL, caller TEXT NOT NULL, run TEXT NOT NULL,
  target TEXT NOT NULL, connector TEXT NOT NULL, action TEXT NOT NULL, value_hash TEXT NOT NULL, policy TEXT NOT NULL,
  generation BIGINT NOT NULL, drifted INTEGER NOT NULL)""",
    "CREATE INDEX intents_by_tenant ON intents (tenant, id)",
    """CREATE TABLE outcomes (
  id TEXT PRIMARY KEY, at {real} NOT NULL, outcome TEXT NOT NULL, result_rows BIGINT, size BIGINT NOT NULL,
  duration_ms BIGINT NOT NULL, code TEXT NOT NULL)""",
    """CREATE TABLE denials (
  id TEXT PRIMARY KEY, at {real} NOT NULL, tenant TEXT NOT NULL, caller TEXT NOT NULL, target TEXT NOT NULL,
  reason TEXT NOT NULL, policy TEXT NOT NULL, generation BIGINT NOT NULL, n BIGINT NOT NULL)""",
    "CREATE INDEX denials_by_tenant ON denials (tenant, id)",
)
_TENANT = "NULLIF(current_setting('reconciler.tenant', true), '')"
_OWN = {
    "intents": f"tenant = {_TENANT}",
    "denials": f"tenant = {_TENANT}",
    # what may be seen of an outcome is what may be seen of its intent
    "outcomes": "EXISTS (SELECT 1 FROM intents i WHERE i.id = outcomes.id)",
    "counters": f"tenant = {_TENANT}",
    "slots": f"tenant = {_TENANT}",
}
SECURITY = tuple(
    statement
    for table, own in _OWN.items()
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",  # without it, policies don't hold for the owner at all
        f"CREATE POLICY server ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY reader ON {table} FOR SELECT USING ({own})",
    )
)
"""PostgreSQL: who is not the server sees one tenant, the one that its transaction says, and nothing without saying one."""
REALS = {"sqlite": "REAL", "postgresql": "DOUBLE PRECISION"}
EXISTS = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'runtime_schema'",
    "postgresql": "SELECT count(*) FROM pg_class c WHERE relname = 'runtime_schema' AND pg_table_is_visible(c.oid)",
}


def statements(dialect: str) -> list[str]:
    made = [table.format(real=REALS[dialect]) for table in TABLES]
    return [*made, *SECURITY] if dialect == "postgresql" else made
