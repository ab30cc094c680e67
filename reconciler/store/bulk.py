"""Writes many rows as one set: the one way in which rows of a Python sequence reach a table.

A statement is compiled once and run by the driver's own ``executemany``: SQLAlchemy's costs five times as much for each row.
PostgreSQL takes ``MANY`` and more by COPY, into the table itself or into a temporary one that a statement then reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Executable,
    MetaData,
    Table,
    and_,
    bindparam,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable, DropTable

from reconciler.failpoints import hit
from reconciler.store.dialect import ON_COMMIT, insert, is_sqlite

MANY = 500
"""Rows; below that, statements of their own are as quick."""
Rows = Collection[Sequence[Any]]
"""Each has a value for every name that its statement takes, in that order."""


def value(column: ColumnElement[Any], name: str | None = None) -> BindParameter[Any]:
    """Return the parameter of ``run_many`` for a value of a column; by its own name or by ``name``."""
    return bindparam(f"row_{name or column.key}", type_=column.type)


def at(table: Table, names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition by which ``run_many`` finds a row by the values of these columns."""
    return and_(*(table.c[name] == value(table.c[name]) for name in names))


def run_many(connection: Connection, statement: Any, names: Sequence[str], rows: Rows) -> None:
    """Run a statement for each row; ``names`` are those of its parameters (``value``) in the order of a row."""
    if not rows:
        return
    compiled = statement.compile(dialect=connection.dialect)
    keys = [f"row_{name}" for name in names]
    if compiled.positional:
        order = [keys.index(key) for key in compiled.positiontup]
        plain = order == [*range(len(keys))]
        given: Any = [*rows] if plain else [*map(itemgetter(*order), rows)] if len(order) > 1 else [*rows]
    else:
        given = [dict(zip(keys, row, strict=True)) for row in rows]
    connection.exec_driver_sql(str(compiled), given)


def insert_many(connection: Connection, table: Table, names: Sequence[str], rows: Rows) -> None:
    """Insert rows of these columns into a table."""
    if len(rows) >= MANY and not is_sqlite(connection):
        _copy(connection, table, names, rows)
    else:
        values = {name: value(table.c[name]) for name in names}
        run_many(connection, insert(connection, table).values(values), names, rows)


def may_stage(connection: Connection, count: int) -> bool:
    """Whether so many rows are better staged, and this role may make temporary tables."""
    if count < MANY or is_sqlite(connection):
        return count >= MANY
    allowed = "SELECT has_database_privilege(current_database(), 'TEMP')"
    return bool(connection.execute(text(allowed)).scalar())


def staging(name: str, columns: Sequence[ColumnElement[Any]]) -> Table:
    """Return a temporary table with columns of these names and types, which may be those of several tables."""
    copies = [Column(column.key, column.type) for column in columns]
    return Table(name, MetaData(), *copies, prefixes=["TEMPORARY"], info={ON_COMMIT: " ON COMMIT DROP"})


def stage(connection: Connection, table: Table, rows: Rows) -> None:
    """Make a table of ``staging`` and fill it; it ends with the transaction, on SQLite with the connection."""
    connection.execute(CreateTable(table))
    insert_many(connection, table, [*table.c.keys()], rows)


def run_staged(connection: Connection, table: Table, rows: Rows, statement: Executable) -> None:
    """Run a statement that reads a table of ``staging`` which holds these rows."""
    stage(connection, table, rows)
    connection.execute(statement)
    connection.execute(DropTable(table))


def _copy(connection: Connection, table: Table, names: Sequence[str], rows: Rows) -> None:
    """PostgreSQL: COPY. Raises what SQLAlchemy would: the driver is asked without it."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
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
