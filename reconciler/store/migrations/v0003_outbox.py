"""The outbox of notifications, and up to which generation a project's history was pruned."""

from sqlalchemy import Connection

_WORDS = {
    "postgresql": {
        "seq": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "moment": "TIMESTAMPTZ",
        "now": "now()",
    },
    "sqlite": {
        "seq": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "moment": "TEXT",
        "now": "(strftime('%Y-%m-%dT%H:%M:%SZ','now'))",
    },
}
_OUTBOX = """
CREATE TABLE outbox (
  seq {seq}, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL REFERENCES projects (name) ON UPDATE CASCADE,
  destination TEXT NOT NULL, event TEXT NOT NULL, created_at {moment} NOT NULL DEFAULT {now},
  attempts INTEGER NOT NULL DEFAULT 0, claimed_until {moment}, last_error TEXT)
"""


def upgrade(connection: Connection) -> None:
    connection.exec_driver_sql(_OUTBOX.format(**_WORDS[connection.dialect.name]))
    connection.exec_driver_sql("CREATE INDEX outbox_by_destination ON outbox (project, destination, seq)")
    # of the bodies before and after; what was written until now is all of the first version
    connection.exec_driver_sql("ALTER TABLE changes ADD COLUMN spec_version INTEGER NOT NULL DEFAULT 1")
    # where the changed fields were written: JSON, a list of [path, "file:line:column"]
    connection.exec_driver_sql("ALTER TABLE changes ADD COLUMN sources TEXT")
    # the newest generation whose changes were pruned; 0: history is whole
    connection.exec_driver_sql("ALTER TABLE projects ADD COLUMN horizon BIGINT NOT NULL DEFAULT 0")
