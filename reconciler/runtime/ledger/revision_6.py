"""Revision 6 of the runtime's store: calls that wait for an approval.

Its statements never change (a test pins their digest).
"""

from __future__ import annotations

_TABLE = """CREATE TABLE approvals (
  id TEXT PRIMARY KEY, bound TEXT NOT NULL, state TEXT NOT NULL, tenant TEXT NOT NULL, caller TEXT NOT NULL, caller_uid TEXT NOT NULL,
  issuer TEXT NOT NULL, subject TEXT NOT NULL, target TEXT NOT NULL, action TEXT NOT NULL, policy TEXT NOT NULL,
  terms TEXT NOT NULL, sealed {bytes} NOT NULL, asked {real} NOT NULL, expires {real} NOT NULL, decided {real}, decided_by TEXT NOT NULL,
  reason TEXT NOT NULL, evidence TEXT NOT NULL, filed INTEGER NOT NULL)"""
_INDEXES = (
    "CREATE INDEX approvals_by_bound ON approvals (bound)",
    "CREATE INDEX approvals_by_tenant ON approvals (tenant, id)",
)
_WORDS = {
    "sqlite": {"real": "REAL", "bytes": "BLOB"},
    "postgresql": {"real": "DOUBLE PRECISION", "bytes": "BYTEA"},
}
_SECURITY = (
    "ALTER TABLE approvals ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE approvals FORCE ROW LEVEL SECURITY",
    "CREATE POLICY server ON approvals TO CURRENT_USER USING (true) WITH CHECK (true)",
    "CREATE POLICY reader ON approvals FOR SELECT USING (tenant = NULLIF(current_setting('reconciler.tenant', true), ''))",
    "CREATE POLICY writer ON approvals USING ((SELECT has_table_privilege('approvals', 'INSERT'))) WITH CHECK (true)",
)


def sixth(dialect: str) -> list[str]:
    """Return the statements, in order, of a store of revision 5."""
    made = [_TABLE.format(**_WORDS[dialect]), *_INDEXES]
    return [*made, *_SECURITY] if dialect == "postgresql" else made
