"""The witness of a row stands in `applied`, which only the tool writes; masks get a key of this database.

``resources.digest`` and ``resources.digest_of`` are no longer read or written: anybody may write them. They stay, since
people's statements name them.
"""

import secrets

from sqlalchemy import Connection, text

_COLUMNS = (
    # the hash of the row's body as the database keeps it; NULL: not known, and the bodies are compared
    "ALTER TABLE applied ADD COLUMN digest_of TEXT",
    # of the record, by the key that was configured; NULL where none was
    "ALTER TABLE applied ADD COLUMN mac TEXT",
    # keys the fingerprints in masks; whoever reads it can read the rows too
    "CREATE TABLE mask_key (one INTEGER PRIMARY KEY CHECK (one = 1), key TEXT NOT NULL)",
)
_POSTGRESQL = (
    # a record that somebody damaged must not stop the upgrade
    """CREATE FUNCTION reconciler_witness(body text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN md5(body::jsonb::text);
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$""",
    "UPDATE applied SET digest_of = reconciler_witness(spec)",
    "DROP FUNCTION reconciler_witness(text)",
)
_SQLITE = ("UPDATE applied SET digest_of = digest",)


def upgrade(connection: Connection) -> None:
    for statement in (*_COLUMNS, *(_SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL)):
        connection.exec_driver_sql(statement)
    connection.execute(text("INSERT INTO mask_key (one, key) VALUES (1, :key)"), {"key": secrets.token_hex(32)})
