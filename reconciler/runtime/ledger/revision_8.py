"""Revision 8 of the runtime's store: what servers of MCP were last seen to define.

Its statements never change (a test pins their digest).
"""

from __future__ import annotations

# seen: compressed JSON of what the server said and listed, without secrets that were sent to it
_TABLE = """CREATE TABLE mcp_seen (
  tenant TEXT NOT NULL, connector TEXT NOT NULL, reached TEXT NOT NULL, at {real} NOT NULL, seen {bytes} NOT NULL,
  PRIMARY KEY (tenant, connector))"""
_WORDS = {
    "sqlite": {"real": "REAL", "bytes": "BLOB"},
    "postgresql": {"real": "DOUBLE PRECISION", "bytes": "BYTEA"},
}
_SECURITY = (
    "ALTER TABLE mcp_seen ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE mcp_seen FORCE ROW LEVEL SECURITY",
    "CREATE POLICY server ON mcp_seen TO CURRENT_USER USING (true) WITH CHECK (true)",
    "CREATE POLICY reader ON mcp_seen FOR SELECT USING (tenant = NULLIF(current_setting('reconciler.tenant', true), ''))",
    "CREATE POLICY writer ON mcp_seen USING ((SELECT has_table_privilege('mcp_seen', 'INSERT'))) WITH CHECK (true)",
)


def eighth(dialect: str) -> list[str]:
    """Return the statements, in order, of a store of revision 7."""
    made = [_TABLE.format(**_WORDS[dialect])]
    return [*made, *_SECURITY] if dialect == "postgresql" else made
