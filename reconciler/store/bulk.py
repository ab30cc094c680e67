"""Many rows written as one set: on PostgreSQL by COPY into a temporary table that a statement then reads, on SQLite by
the driver's own ``executemany``. SQLAlchemy's costs five times as much for each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from reconciler.failpoints import hit

MANY = 500
"""Rows; below that, statements of their own are as quick."""


def may_stage(connection: Connection, count: int) -> bool:
    """Whether so many rows are better staged, and this role may make temporary tables."""
    if count < MANY or connection.dialect.name == "sqlite":
        return count >= MANY
    allowed = "SELECT has_database_privilege(current_database(), 'TEMP')"
    return bool(connection.execute(text(allowed)).scalar())


def run_many(connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """SQLite: a statement with ``?`` for each value of a row."""
    if rows:
        connection.exec_driver_sql(sql, rows)


def staged(
    connection: Connection,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    sql: str,
    parameters: dict[str, Any],
) -> None:
    """Runs ``sql`` with the rows as ``pg_temp.staged``; ``columns`` are its columns with their types."""
    connection.execute(text(f"CREATE TEMPORARY TABLE staged ({', '.join(columns)}) ON COMMIT DROP"))
    copied(connection, "pg_temp.staged", [column.split()[0] for column in columns], rows)
    connection.execute(text(sql), parameters)
    connection.execute(text("DROP TABLE pg_temp.staged"))


def copied(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """PostgreSQL: the rows by COPY. Raises what SQLAlchemy would: the driver is asked without it."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    hit("before_stmt")
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        lost = connection.dialect.is_disconnect(error, driver, None)
        base = connection.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(statement, {}, error, base, True, lost) from None
    hit("after_stmt")
