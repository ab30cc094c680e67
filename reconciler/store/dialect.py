"""Every difference between SQLite and PostgreSQL, as types and expressions that each of them compiles by its own rules.

No other file of this room asks which database it talks to, but for migrations and `describe`, which are of one database each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ARRAY, BigInteger, Boolean, Connection, Integer, Table, Text, any_, bindparam, column, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import BindParameter, ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import UserDefinedType

SQLITE = "sqlite"
_CLOCK = "strftime('%Y-%m-%dT%H:%M:%SZ','now'{})"
"""SQLite's clock, in UTC to the second, as text: its databases keep moments in this form."""
_SHOWN = '\'YYYY-MM-DD"T"HH24:MI:SS"Z"\''
"""The same form, as PostgreSQL writes moments."""


def is_sqlite(connection: Connection) -> bool:
    """Whether a connection is one to SQLite."""
    return connection.dialect.name == SQLITE


def hashes_bodies(connection: Connection) -> bool:
    """Whether the database itself hashes a body (``witness``); SQLite's bodies are hashed by the reader."""
    return not is_sqlite(connection)


def tables_of(connection: Connection) -> str:
    """Return the statement that lists the names of all tables."""
    if is_sqlite(connection):
        return "SELECT name FROM sqlite_master WHERE type = 'table'"
    return "SELECT c.relname FROM pg_class c WHERE pg_table_is_visible(c.oid)"


# --- types, which convert nothing: what the driver takes and gives is what the program sees


class Moment(UserDefinedType[Any]):
    """A time with its zone, or ISO 8601 text on SQLite."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TIMESTAMP WITH TIME ZONE"


class Body(UserDefinedType[Any]):
    """The JSON of a resource."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSONB"


class Blob(UserDefinedType[Any]):
    """Bytes."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BYTEA"


class Counter(BigInteger):
    """The number of a row, drawn by the database."""


@compiles(Counter)
def _counter(*_: Any, **__: Any) -> str:
    return "BIGINT GENERATED ALWAYS AS IDENTITY"


for _type, _spec in ((Moment, "TEXT"), (Body, "TEXT"), (Blob, "BLOB")):
    compiles(_type, SQLITE)(lambda _element, _compiler, _spec=_spec, **_: _spec)


# --- what tables and indexes say besides (their ``info``): SQLAlchemy's own words for it import both dialects, a tenth of
# a second of every command

ENDING = "ending"
"""What stands behind the CREATE INDEX."""
COUNTS = "counts"
"""SQLite: whether the key of a row is never given to another one."""
ON_COMMIT = "on_commit"
"""PostgreSQL: what stands behind the CREATE TABLE of a temporary table."""


@compiles(CreateIndex)
def _create_index(element: Any, compiler: Any, **options: Any) -> str:
    return f"{compiler.visit_create_index(element, **options)}{element.element.info.get(ENDING, '')}"


@compiles(CreateTable)
def _create_table(element: Any, compiler: Any, **options: Any) -> str:
    return f"{compiler.visit_create_table(element, **options).rstrip()}{element.element.info.get(ON_COMMIT, '')}"


@compiles(CreateTable, SQLITE)
def _create_table_of_file(element: Any, compiler: Any, **options: Any) -> str:
    table = element.element
    if COUNTS in table.info:
        table.dialect_options[SQLITE]["autoincrement"] = True
    return str(compiler.visit_create_table(element, **options))


# --- expressions


class _Expression(FunctionElement[Any]):
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.inherit_cache = True


class now(_Expression):
    """The moment of the statement."""

    type = Moment()
    name = "now"


class from_now(_Expression):
    """The moment that is so many seconds away from that of the statement."""

    type = Moment()
    name = "from_now"

    def __init__(self, seconds: int) -> None:
        super().__init__(bindparam(None, seconds, Integer))


class shown(_Expression):
    """A moment as text, in UTC to the second."""

    type = Text()
    name = "shown"


class new_uid(_Expression):
    """The default of a uid."""

    type = Text()
    name = "new_uid"


class stored(_Expression):
    """JSON text as the column of a body takes it."""

    type = Body()
    name = "stored"


class body_text(_Expression):
    """A stored body as text."""

    type = Text()
    name = "body_text"


class witness(_Expression):
    """The hash of a body as the database keeps it, of its text or of the column; NULL on SQLite."""

    type = Text()
    name = "witness"


class fits(_Expression):
    """Whether the first, a witness, is that of the second, a stored body; true on SQLite, where the reader has to look."""

    type = Boolean()
    name = "fits"


class as_kept(_Expression):
    """A text as it is kept, which on SQLite may be no UTF-8: its bytes there."""

    type = Blob()
    name = "as_kept"


class place_of(_Expression):
    """The place of the second text in the first, from 1; 0 where it is not in there."""

    type = Integer()
    name = "place_of"


def _compile(element: type[_Expression], postgresql: str, sqlite: str) -> None:
    """Register the two forms of an expression; ``{}`` stands for each of its operands in turn."""

    def form(shape: str) -> Any:
        def write(one: Any, compiler: Any, **options: Any) -> str:
            parts = [*one.clauses][: shape.count("{}")]
            return shape.format(*(compiler.process(part, **options) for part in parts))

        return write

    compiles(element)(form(postgresql))
    compiles(element, SQLITE)(form(sqlite))


_compile(now, "now()", _CLOCK.format(""))
_compile(from_now, "(now() + {} * interval '1 second')", _CLOCK.format(",{} || ' seconds'"))
_compile(shown, f"to_char({{}} AT TIME ZONE 'UTC', {_SHOWN})", "{}")
_compile(
    new_uid,
    "gen_random_uuid()::text",
    "lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-a'||"
    "substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))",
)
_compile(stored, "CAST({} AS jsonb)", "{}")
_compile(body_text, "CAST({} AS text)", "{}")
_compile(witness, "md5(CAST(CAST({} AS jsonb) AS text))", "NULL")
_compile(fits, "({} = md5(CAST({} AS text)))", "1")
_compile(as_kept, "{}", "CAST({} AS BLOB)")
_compile(place_of, "strpos({}, {})", "instr({}, {})")


# --- what a statement needs beside expressions


def insert(connection: Connection, table: Table) -> Any:
    """Return an INSERT that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    if is_sqlite(connection):
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def listed(connection: Connection, names: Sequence[str], rows: Collection[Sequence[str]]) -> Any:
    """Return rows of texts as a SELECT with the columns ``names``, whatever their number: they are one parameter or few."""
    if is_sqlite(connection):
        cells = ", ".join(f"json_extract(value, '$[{at}]') AS {name}" for at, name in enumerate(names))
        values: Mapping[str, Any] = {"listed": orjson.dumps([[*row] for row in rows]).decode()}
        source = f"SELECT {cells} FROM json_each(:listed)"
    else:
        columns = [[row[at] for row in rows] for at in range(len(names))]
        values = {f"listed_{at}": one for at, one in enumerate(columns)}
        arrays = ", ".join(f"CAST(:{name} AS text[])" for name in values)
        source = f"SELECT * FROM unnest({arrays}) AS k ({', '.join(names)})"
    bound: list[BindParameter[Any]] = [bindparam(name, value, unique=True) for name, value in values.items()]
    return text(source).bindparams(*bound).columns(*(column(name, Text) for name in names))


def one_of(connection: Connection, what: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Whether a column has one of many texts: one parameter, whatever their number."""
    if is_sqlite(connection):
        return what.in_(listed(connection, ("value",), [[value] for value in values]))
    return what == any_(bindparam(None, [*values], ARRAY(Text)))
