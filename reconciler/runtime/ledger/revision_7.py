"""Revision 7 of the runtime's store: what tries of model calls hold of limits, what they used, and who was billed too much.

Its statements never change (a test pins their digest). Amounts of cost are pico-dollars.
"""

from __future__ import annotations

_TABLES = (
    # a row from before a provider is asked until the try is settled; levels: JSON of counters, with their windows and amounts
    """CREATE TABLE reservations (
  call TEXT NOT NULL, number INTEGER NOT NULL, tenant TEXT NOT NULL, caller TEXT NOT NULL, route TEXT NOT NULL,
  model TEXT NOT NULL, integration TEXT NOT NULL, uid TEXT NOT NULL, tokens BIGINT, cost BIGINT, levels TEXT NOT NULL,
  at {real} NOT NULL, ends {real} NOT NULL, PRIMARY KEY (call, number))""",
    "CREATE INDEX reservations_by_end ON reservations (ends)",
    # source: metered (a call of ours, whose id it has) or reported (by a caller, under an id of its own)
    """CREATE TABLE usage (
  tenant TEXT NOT NULL, source TEXT NOT NULL, caller TEXT NOT NULL, id TEXT NOT NULL, at {real} NOT NULL, route TEXT NOT NULL,
  integration TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, tokens_in BIGINT NOT NULL, cached BIGINT NOT NULL,
  written BIGINT NOT NULL, tokens_out BIGINT NOT NULL, reasoning BIGINT NOT NULL, cost BIGINT, kept_tokens BIGINT NOT NULL,
  kept_cost BIGINT NOT NULL, above_tokens BIGINT NOT NULL, above_cost BIGINT NOT NULL, latency_ms BIGINT NOT NULL,
  first_ms BIGINT, tries INTEGER NOT NULL, result TEXT NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (tenant, source, caller, id))""",
    "CREATE INDEX usage_by_moment ON usage (tenant, at)",
    "CREATE INDEX usage_by_age ON usage (at)",
    # a try that was billed more than it had reserved; its integration waits under limits until somebody acknowledges that
    """CREATE TABLE overshoots (
  call TEXT NOT NULL, number INTEGER NOT NULL, tenant TEXT NOT NULL, uid TEXT NOT NULL, integration TEXT NOT NULL,
  model TEXT NOT NULL, at {real} NOT NULL, tokens BIGINT NOT NULL, tokens_held BIGINT NOT NULL, cost BIGINT NOT NULL,
  cost_held BIGINT NOT NULL, acknowledged {real}, acknowledged_by TEXT NOT NULL, PRIMARY KEY (call, number))""",
    "CREATE INDEX overshoots_by_tenant ON overshoots (tenant, uid)",
    # shares of limits that were reported once in their window
    """CREATE TABLE limit_marks (
  tenant TEXT NOT NULL, target TEXT NOT NULL, unit TEXT NOT NULL, period TEXT NOT NULL, percent INTEGER NOT NULL,
  at {real} NOT NULL, PRIMARY KEY (tenant, target, unit, period, percent))""",
)
_ALL = ("reservations", "usage", "overshoots", "limit_marks")
_REALS = {"sqlite": "REAL", "postgresql": "DOUBLE PRECISION"}
_TENANT = "NULLIF(current_setting('reconciler.tenant', true), '')"


def seventh(dialect: str) -> list[str]:
    """Return the statements, in order, of a store of revision 6."""
    tables = [table.format(real=_REALS[dialect]) for table in _TABLES]
    return [*tables, *(one for table in _ALL for one in _security(table))] if dialect == "postgresql" else tables


def _security(table: str) -> tuple[str, ...]:
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY server ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY reader ON {table} FOR SELECT USING (tenant = {_TENANT})",
        f"CREATE POLICY writer ON {table} USING ((SELECT has_table_privilege('{table}', 'INSERT'))) WITH CHECK (true)",
    )
