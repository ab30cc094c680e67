"""The audit trail: an append-only chain and its head; triggers refuse every change of what is written."""

from sqlalchemy import Connection

_TABLES = [
    "CREATE TABLE audit (seq BIGINT PRIMARY KEY, body TEXT NOT NULL, key_id TEXT, hash TEXT NOT NULL)",
    "CREATE TABLE audit_head (one INTEGER PRIMARY KEY CHECK (one = 1), seq BIGINT NOT NULL, hash TEXT NOT NULL)",
    f"INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, '{'0' * 64}')",
]
_POSTGRESQL = [
    """CREATE FUNCTION reconciler_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'check_violation';
END $$""",
    "CREATE TRIGGER audit_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION reconciler_refuse()",
    "CREATE TRIGGER audit_head_keep BEFORE DELETE OR TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION reconciler_refuse()",
]
_SQLITE = [
    f"CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table} BEGIN "
    "SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    for table, event in (("audit", "UPDATE"), ("audit", "DELETE"), ("audit_head", "DELETE"))
]


def upgrade(connection: Connection) -> None:
    for statement in _TABLES + (_POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE):
        connection.exec_driver_sql(statement)
