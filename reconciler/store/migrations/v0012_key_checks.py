"""A check value of each key that was used, by the key's id: another key under that id is refused."""

from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE key_checks (key_id TEXT PRIMARY KEY, check_value TEXT NOT NULL)")
