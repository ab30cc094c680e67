"""Names of tables: those that a statement reads, those that a datasource lists, and whether one covers the other."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from reconciler.patterns import regex

_PART = regex(r'"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|([^."`\[\]]+)')
_SCHEMA = {
    "postgresql": "public",
    "redshift": "public",
    "sqlite": "main",
    "duckdb": "main",
    "mssql": "dbo",
    "snowflake": "PUBLIC",
}
# where a database and a schema are the same thing, or where the connector's database is the default schema
_DATABASE_IS_SCHEMA = frozenset({"mysql", "clickhouse"})
_UPPER = frozenset({"oracle", "snowflake", "db2"})
_EXACT = frozenset({"clickhouse"})
_QUOTED_COUNTS = frozenset({"postgresql", "oracle", "snowflake", "db2"})


class Part(NamedTuple):
    """One part of a name, as written."""

    text: str
    quoted: bool = False


class Table(NamedTuple):
    """A whole name; what is unknown is None, and ``*`` stands for all."""

    catalog: str | None
    schema: str | None
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


def fold(part: Part, dialect: str) -> str:
    """One text for every way in which the dialect lets people write the same name."""
    if dialect in _EXACT or (part.quoted and dialect in _QUOTED_COUNTS):
        return part.text
    return part.text.upper() if dialect in _UPPER else part.text.lower()


def resolve(parts: Iterable[Part], dialect: str, database: str | None) -> Table:
    """Return the whole name: the dialect's default schema and the connector's database fill what was left out."""
    folded = [fold(part, dialect) if part.text != "*" else "*" for part in parts]
    name = folded[-1]
    schema = folded[-2] if len(folded) > 1 else None
    catalog = ".".join(folded[:-2]) if len(folded) > 2 else None
    default = fold(Part(database), dialect) if database else None
    if dialect in _DATABASE_IS_SCHEMA:
        return Table(catalog, schema or default, name)
    if not schema and name != "*":
        schema = (
            "pg_catalog" if dialect in {"postgresql", "redshift"} and name.startswith("pg_") else _SCHEMA.get(dialect)
        )
    return Table(catalog or (default if dialect not in {"sqlite", "duckdb"} else None), schema, name)


@lru_cache(maxsize=4096)
def entry(text: str, dialect: str, database: str | None) -> Table:
    """Return an entry of a datasource's ``tables``; ``*`` and ``schema.*`` stand for many."""
    parts = []
    for double, back, bracket, bare in _PART.findall(text):
        quoted = double.replace('""', '"') or back or bracket
        # BigQuery quotes a whole name at once
        split = quoted.split(".") if quoted and dialect == "bigquery" else [quoted or bare]
        parts += [Part(one, bool(quoted)) for one in split]
    return resolve(parts, dialect, database)


def covers(listed: Table, table: Table) -> bool:
    """Whether an entry of a datasource covers a table of a statement."""
    if listed.name == "*" and listed.schema is None:
        return True
    same = listed.schema == table.schema and listed.catalog == table.catalog
    return same and listed.name in {"*", table.name}
