"""The audit trail can't be replaced, and has a key where no key file is.

SQLite fires no DELETE trigger for the row that `INSERT OR REPLACE` removes. An entry is found by its number and by its rowid,
which a statement may name too.
"""

from sqlalchemy import Connection

_KEYS = """CREATE TABLE trail_keys (
  key_id TEXT PRIMARY KEY, wrapped_by TEXT NOT NULL, wrapped {bytes} NOT NULL)"""
_SQLITE = [
    f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} "
    f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key} OR (rowid = NEW.rowid AND NEW.rowid > 0)) BEGIN "
    "SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    for table, key in (("audit", "seq"), ("audit_head", "one"))
]


def upgrade(connection: Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    # random keys of trails, wrapped by a key that is not in the database
    connection.exec_driver_sql(_KEYS.format(bytes="BLOB" if is_sqlite else "BYTEA"))
    for statement in _SQLITE if is_sqlite else ():
        connection.exec_driver_sql(statement)
