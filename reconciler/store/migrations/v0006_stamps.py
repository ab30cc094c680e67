"""SQLite: an apply stamps the rows that it inserts by itself, all from one draw of the counter.

The trigger took more time for each row than the row. It goes on stamping whatever anybody else inserts: ``writer`` has a
row only inside of an apply's transaction, and no other connection writes meanwhile. PostgreSQL's trigger costs little.
"""

from sqlalchemy import Connection

_STATEMENTS = (
    "DROP TRIGGER resources_stamp_insert",
    """CREATE TRIGGER resources_stamp_insert AFTER INSERT ON resources WHEN NOT EXISTS (SELECT 1 FROM writer) BEGIN
  UPDATE row_counter SET n = n + 1;
  UPDATE resources SET row_version = (SELECT n FROM row_counter), changed_at = strftime('%Y-%m-%dT%H:%M:%SZ','now'),
    changed_by = 'unknown' WHERE rowid = NEW.rowid;
END""",
)


def upgrade(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        for statement in _STATEMENTS:
            connection.exec_driver_sql(statement)
