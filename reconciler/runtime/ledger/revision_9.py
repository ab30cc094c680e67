"""Revision 9 of the runtime's store: messages that were accepted, kept until they were delivered.

Its statements never change (a test pins their digest).
"""

from __future__ import annotations

_TABLES = (
    # a row is one delivery: one message, or those of a digest's window. digest: its key while messages may be added, else ''.
    # done: JSON of the addresses that have it; state: waiting, sent or dead
    """CREATE TABLE deliveries (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, connector TEXT NOT NULL, uid TEXT NOT NULL, template TEXT NOT NULL,
  template_uid TEXT NOT NULL, digest TEXT NOT NULL, messages BIGINT NOT NULL, at {real} NOT NULL, first_due {real} NOT NULL, due {real} NOT NULL,
  attempts BIGINT NOT NULL, done TEXT NOT NULL, state TEXT NOT NULL, last_error TEXT NOT NULL, ended {real})""",
    "CREATE INDEX deliveries_by_due ON deliveries (state, due)",
    "CREATE INDEX deliveries_by_connector ON deliveries (tenant, uid, state)",
    "CREATE INDEX deliveries_by_digest ON deliveries (tenant, digest)",
    # body: JSON, sealed where a key is configured; removed with the end of its delivery
    """CREATE TABLE messages (
  id TEXT PRIMARY KEY, delivery TEXT NOT NULL, tenant TEXT NOT NULL, sealed INTEGER NOT NULL, body {bytes} NOT NULL)""",
    "CREATE INDEX messages_by_delivery ON messages (delivery)",
    # key: a keyed hash of what makes two messages the same
    """CREATE TABLE message_keys (
  tenant TEXT NOT NULL, template TEXT NOT NULL, key TEXT NOT NULL, message TEXT NOT NULL, delivery TEXT NOT NULL,
  at {real} NOT NULL, PRIMARY KEY (tenant, template, key))""",
    "CREATE INDEX message_keys_by_age ON message_keys (at)",
    "CREATE INDEX message_keys_by_delivery ON message_keys (delivery)",
)
_ALL = ("deliveries", "messages", "message_keys")
_WORDS = {
    "sqlite": {"real": "REAL", "bytes": "BLOB"},
    "postgresql": {"real": "DOUBLE PRECISION", "bytes": "BYTEA"},
}
_TENANT = "NULLIF(current_setting('reconciler.tenant', true), '')"


def ninth(dialect: str) -> list[str]:
    """Return the statements, in order, of a store of revision 8."""
    tables = [table.format(**_WORDS[dialect]) for table in _TABLES]
    return [*tables, *(one for table in _ALL for one in _security(table))] if dialect == "postgresql" else tables


def _security(table: str) -> tuple[str, ...]:
    # what is written in messages, nobody reads but a server
    reader = (
        (f"CREATE POLICY reader ON {table} FOR SELECT USING (tenant = {_TENANT})",) if table == "deliveries" else ()
    )
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY server ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        *reader,
        f"CREATE POLICY writer ON {table} USING ((SELECT has_table_privilege('{table}', 'INSERT'))) WITH CHECK (true)",
    )
