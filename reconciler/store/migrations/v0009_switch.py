"""Decisions that are in force before they are filed, and the lives of resources, by which such a freeze finds the next one."""

from sqlalchemy import Connection

_TABLES = (
    # written by a transaction that takes no lock which an apply holds; a row goes when it is filed
    "CREATE TABLE switch (id TEXT PRIMARY KEY, decision TEXT NOT NULL)",
    # n: what status_counter was raised to, so that a reader of the counter knows which lives came later
    """CREATE TABLE lives (
  n BIGINT NOT NULL, tenant TEXT NOT NULL, uid_before TEXT NOT NULL, uid_after TEXT NOT NULL, names_left TEXT NOT NULL,
  at {moment} NOT NULL)""",
    "CREATE INDEX lives_by_n ON lives (n)",
)


def upgrade(connection: Connection) -> None:
    moment = "TIMESTAMPTZ" if connection.dialect.name == "postgresql" else "TEXT"
    for table in _TABLES:
        connection.exec_driver_sql(table.format(moment=moment))
