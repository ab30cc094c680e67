"""Revision 5 of the runtime's store: leases, health of what was used, and the outbox of the runtime's own events.

Its statements never change (a test pins their digest); they hold no percent sign, which a driver would read as a parameter.
"""

from __future__ import annotations

_TABLES = (
    # number: raised by each new holder; whoever writes under a lease names it, so that a former holder writes nothing
    """CREATE TABLE leases (
  name TEXT PRIMARY KEY, holder TEXT NOT NULL, number BIGINT NOT NULL, ends {real} NOT NULL)""",
    """CREATE TABLE uses (
  tenant TEXT NOT NULL, uid TEXT NOT NULL, at {real} NOT NULL, PRIMARY KEY (tenant, uid))""",
    "CREATE INDEX uses_by_moment ON uses (at)",
    # hour: since 1970; statistics that servers add to every few seconds, and no evidence
    """CREATE TABLE use_hours (
  tenant TEXT NOT NULL, uid TEXT NOT NULL, hour BIGINT NOT NULL, calls BIGINT NOT NULL, errors BIGINT NOT NULL,
  PRIMARY KEY (tenant, uid, hour))""",
    "CREATE INDEX use_hours_by_hour ON use_hours (hour)",
    """CREATE TABLE health (
  tenant TEXT NOT NULL, uid TEXT NOT NULL, state TEXT NOT NULL, since {real} NOT NULL, checked {real} NOT NULL,
  worse INTEGER NOT NULL, latency_ms BIGINT, reason TEXT NOT NULL, PRIMARY KEY (tenant, uid))""",
    # a row stays for a while after its delivery: the same event is not sent again
    """CREATE TABLE outbox (
  id TEXT NOT NULL, destination TEXT NOT NULL, event TEXT NOT NULL, at {real} NOT NULL, attempts INTEGER NOT NULL,
  due {real} NOT NULL, last_error TEXT NOT NULL, delivered {real}, PRIMARY KEY (id, destination))""",
    "CREATE INDEX outbox_by_due ON outbox (destination, due)",
)
_OWN_ROWS = ("uses", "use_hours", "health")
_ALL = ("leases", "uses", "use_hours", "health", "outbox")
_REALS = {"sqlite": "REAL", "postgresql": "DOUBLE PRECISION"}
_TENANT = "NULLIF(current_setting('reconciler.tenant', true), '')"


def fifth(dialect: str) -> list[str]:
    """Return the statements, in order, of a store of revision 4."""
    tables = [table.format(real=_REALS[dialect]) for table in _TABLES]
    if dialect != "postgresql":
        return tables
    return [
        *tables,
        *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in _ALL),
        *(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in _ALL),
        *(f"CREATE POLICY server ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)" for table in _ALL),
        *(f"CREATE POLICY reader ON {table} FOR SELECT USING (tenant = {_TENANT})" for table in _OWN_ROWS),
        *(
            f"CREATE POLICY writer ON {table} USING ((SELECT has_table_privilege('{table}', 'INSERT'))) WITH CHECK (true)"
            for table in _ALL
        ),
    ]
