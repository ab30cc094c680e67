"""What operators do to callers and systems in an emergency, and callers' keys: status, which no apply writes."""

from sqlalchemy import Connection

_WORDS = {
    "postgresql": {"moment": "TIMESTAMPTZ", "now": "now()"},
    "sqlite": {"moment": "TEXT", "now": "(strftime('%Y-%m-%dT%H:%M:%SZ','now'))"},
}
_TABLES = (
    # uid: of one life of the caller; one of the same name that is made later has none of these keys
    """CREATE TABLE caller_keys (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, caller TEXT NOT NULL, uid TEXT NOT NULL, digest TEXT NOT NULL,
  created_at {moment} NOT NULL DEFAULT {now}, created_by TEXT NOT NULL, expires_at {moment} NOT NULL,
  revoked_at {moment}, revoked_by TEXT)""",
    "CREATE INDEX caller_keys_by_caller ON caller_keys (tenant, caller)",
    """CREATE TABLE freezes (
  id TEXT PRIMARY KEY, target TEXT NOT NULL, reason TEXT NOT NULL, frozen_at {moment} NOT NULL DEFAULT {now},
  frozen_by TEXT NOT NULL, lifted_at {moment}, lifted_by TEXT)""",
    # raised by whatever changes status, so that a runtime sees with one look that there is something to read
    "CREATE TABLE status_counter (n BIGINT NOT NULL)",
    "INSERT INTO status_counter VALUES (0)",
)


def upgrade(connection: Connection) -> None:
    for table in _TABLES:
        connection.exec_driver_sql(table.format(**_WORDS[connection.dialect.name]))
