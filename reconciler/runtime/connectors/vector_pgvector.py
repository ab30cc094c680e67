"""pgvector: an operation turned into one statement of ours on the datasource's table, with every value bound.

The server's own catalogs say how the table and its columns are written, and of which types they are: no name is pasted that
the server has not quoted. Values go as texts that the server casts to the type of their column.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.model.body import Body
from reconciler.runtime.call import Answer, Call, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.postgresql import Dial, Pool
from reconciler.runtime.connectors.postgresql_session import Own, Session
from reconciler.runtime.connectors.postgresql_values import Column
from reconciler.runtime.connectors.sql_rows import Caps
from reconciler.runtime.connectors.vector_asked import (
    Asked,
    Condition,
    Delete,
    Engine,
    Search,
    Upsert,
    require_length,
)

CONNECTIONS = 5
TABLE_SECONDS = 60.0
"""How long what the catalogs said of a table is used."""
_TYPES = frozenset({"vector", "halfvec"})
_JSON = frozenset({"json", "jsonb"})
_NEARNESS: Mapping[str, tuple[str, str]] = {
    "cosine": ("<=>", "1 - ({})"),
    "euclidean": ("<->", "-({})"),
    "dot": ("<#>", "-({})"),
}
"""By metric: the operator that orders, and the score of its distance. `<#>` is the negative inner product."""
_TABLE = """SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS whole, a.attname::text AS name,
    pg_catalog.quote_ident(a.attname) AS quoted, pg_catalog.format_type(a.atttypid, -1) AS type, t.typname::text AS kind,
    a.atttypmod AS size, pg_catalog.quote_ident(tn.nspname) AS schema,
    (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'vector') AS version
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""


class _Stored(NamedTuple):
    """A column: ``quoted`` and ``type`` are as the server writes them."""

    quoted: str
    type: str
    kind: str
    size: int
    schema: str


class _Table(NamedTuple):
    """A table as the server's catalogs have it."""

    whole: str
    columns: Mapping[str, _Stored]
    scans_on: bool
    """Whether a filtered search of an index goes on until enough was found (pgvector 0.8)."""


async def open_engine(tenant: str, connector: Resource, around: Surroundings) -> Engine:
    """Reaches nobody yet."""
    return _Pgvector(tenant, connector.body, around)


class _Pgvector:
    def __init__(self, tenant: str, body: Body, around: Surroundings) -> None:
        self._metric = body["metric"]
        dial = Dial(body, body.get("ssl") or "require", body["network_exceptions"])
        self._pool = Pool(tenant, dial, CONNECTIONS, around)
        self._tables: dict[str, tuple[float, _Table]] = {}

    async def search(self, call: Call, wanted: Search) -> Answer:
        return await self._ask(call, wanted.asked, partial(self._searched, wanted))

    async def upsert(self, call: Call, wanted: Upsert) -> Answer:
        return await self._ask(call, wanted.asked, partial(_upserted, wanted))

    async def delete(self, call: Call, wanted: Delete) -> Answer:
        return await self._ask(call, wanted.asked, partial(_deleted, wanted))

    async def ping(self) -> None:
        await self._pool.ping()

    async def close(self) -> None:
        await self._pool.close()

    async def _ask(self, call: Call, asked: Asked, does: Callable[..., Any]) -> Answer:
        async def with_table(session: Session) -> Answer:
            found: Answer = await does(call, session, await self._table(session, asked.collection))
            return found

        try:
            return await self._pool.ask(call, with_table, call.target.writes)
        except Failed as error:
            if not isinstance(error, ValuesRefused):
                self._tables.pop(asked.collection, None)  # the table may have been changed
            raise

    async def _table(self, session: Session, name: str) -> _Table:
        until, found = self._tables.get(name, (0.0, None))
        if found is None or until < time.monotonic():
            found = _table_of(await session.catalog(_TABLE, name))
            self._tables[name] = (time.monotonic() + TABLE_SECONDS, found)
        return found

    async def _searched(self, wanted: Search, call: Call, session: Session, table: _Table) -> Answer:
        statement = _Statement(table, wanted.asked.source)
        stored = statement.vector_column()
        mark = statement.vector(stored, wanted.vector, call)
        operator, score = _NEARNESS[self._metric]
        distance = f"t.{stored.quoted} OPERATOR({stored.schema}.{operator}) {mark}"
        columns = [
            ("id", f"t.{statement.id_column().quoted}", statement.id_column().kind),
            ("score", score.format(distance), "float8"),
        ]
        columns += [(f"payload.{one}", *statement.field(one)) for one in wanted.fields]
        listed = ", ".join(f"{said} AS c{number}" for number, (_, said, _) in enumerate(columns))
        where = " AND ".join([f"t.{stored.quoted} IS NOT NULL", *statement.where(wanted.asked.conditions)])
        text = f"SELECT {listed} FROM {table.whole} t WHERE {where} ORDER BY {distance} LIMIT {wanted.top_k}"
        settings = (
            "; SET LOCAL hnsw.iterative_scan = strict_order" if table.scans_on and wanted.asked.conditions else ""
        )
        own = Own(text, tuple(Column(name, f"c{at}", kind) for at, (name, _, kind) in enumerate(columns)), settings)
        caps = Caps(wanted.top_k, wanted.asked.most)
        answer = await session.own_rows(call, own, statement.values, caps)
        return answer._replace(content=[_match(row) for row in answer.content])


async def _upserted(wanted: Upsert, call: Call, session: Session, table: _Table) -> Answer:
    statement = _Statement(table, wanted.asked.source)
    stored, id_column = statement.vector_column(), statement.id_column()
    written = {id_column.quoted: statement.one(wanted.id, id_column.type)}
    written[stored.quoted] = statement.vector(stored, wanted.vector, call)
    rest: dict[str, Any] = {}
    for field, value in wanted.payload.items():
        column = statement.column_of(field)
        if column is None:
            rest[field] = value
        elif column.quoted in written:
            raise _at_fault(f"`{field}` is the column of the ids or of the vectors")
        else:
            written[column.quoted] = statement.cell(value, column)
    if (metadata := statement.metadata()) is not None:
        written[metadata.quoted] = statement.one(strict_json.write(rest).decode(), metadata.type)
    names, marks = ", ".join(written), ", ".join(written.values())
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in written if name != id_column.quoted)
    own = statement.where(wanted.asked.conditions)
    text = (
        f"INSERT INTO {table.whole} AS t ({names}) VALUES ({marks}) "
        f"ON CONFLICT ({id_column.quoted}) DO UPDATE SET {changes}{' WHERE ' + ' AND '.join(own) if own else ''}"
    )
    if not await session.own_change(call, text, statement.values):
        raise ValuesRefused("query-failed", "the database refuses this id: it is in use outside of the datasource")
    return Answer({"upserted": 1}, 1, 0)


async def _deleted(wanted: Delete, call: Call, session: Session, table: _Table) -> Answer:
    statement = _Statement(table, wanted.asked.source)
    where = statement.where(wanted.asked.conditions)
    if wanted.ids is not None:
        column = statement.id_column()
        where.append(statement.among(f"t.{column.quoted}", wanted.ids, column.type))
    if not where:
        raise Failed("statement-refused", "a delete needs a condition", "blocked")
    changed = await session.own_change(
        call, f"DELETE FROM {table.whole} t WHERE {' AND '.join(where)}", statement.values
    )
    return Answer({"deleted": changed}, changed, 0)


class _Statement:
    """Collects the values of a statement, and returns for each the text that stands in its place."""

    def __init__(self, table: _Table, source: Body) -> None:
        self._table, self._source = table, source
        self.values: list[Any] = []

    def vector_column(self) -> _Stored:
        """Return the column of the vectors. Raises Failed."""
        found = self._column(self._source.get("vector_name") or "embedding")
        if found.kind not in _TYPES:
            raise _at_fault("the column of the vectors is not of the type vector or halfvec")
        return found

    def id_column(self) -> _Stored:
        return self._column(self._source.get("id_column") or "id")

    def metadata(self) -> _Stored | None:
        """Return the column in which fields are keys, where the datasource names one. Raises Failed."""
        name = self._source.get("metadata_column")
        if name is None:
            return None
        found = self._column(name)
        if found.kind not in _JSON:
            raise _at_fault("the column of the metadata is not of the type jsonb or json")
        return found

    def column_of(self, field: str) -> _Stored | None:
        """Return the column that a field is; None for a key of the metadata. Raises Failed."""
        if self._source.get("metadata_column") is None or field in (self._source.get("columns") or ()):
            return self._column(field)
        return None

    def field(self, name: str) -> tuple[str, str]:
        """Return how a field is read, and the name of its type."""
        column = self.column_of(name)
        if column is not None:
            return f"t.{column.quoted}", f"{column.kind[1:]}[]" if column.kind.startswith("_") else column.kind
        metadata = self.metadata()
        assert metadata is not None
        return f"(t.{metadata.quoted} -> {self.one(name, 'text')})", metadata.kind

    def vector(self, stored: _Stored, vector: Sequence[float], call: Call) -> str:
        """Return the mark of a vector. Raises Failed for one of another length than the column's."""
        require_length(call, vector, stored.size)
        return self._mark(orjson.dumps(vector, default=float).decode(), f"::text::{stored.type}")

    def where(self, conditions: Sequence[Condition]) -> list[str]:
        return [self._holds(one) for one in conditions]

    def among(self, column: str, values: Sequence[Any], kind: str) -> str:
        """Return the condition that a column has one of some values."""
        if len(values) == 1:
            return f"{column} = {self.one(values[0], kind)}"
        return f"{column} = ANY ({self._mark([*map(_text, values)], f'::text[]::{kind}[]')})"

    def one(self, value: Any, kind: str) -> str:
        return self._mark(_text(value), f"::text::{kind}")

    def cell(self, value: Any, column: _Stored) -> str:
        """Return the mark of a value that is written into a column."""
        if value is None:
            return "NULL"
        if column.kind in _JSON:
            return self.one(strict_json.write(value).decode(), column.type)
        if isinstance(value, list):
            return self._mark([*map(_text, value)], f"::text[]::{column.type}")
        return self.one(value, column.type)

    def _holds(self, condition: Condition) -> str:
        column = self.column_of(condition.field)
        if column is not None:
            return self.among(f"t.{column.quoted}", condition.values, column.type)
        metadata = self.metadata()
        assert metadata is not None
        texts = [strict_json.write({condition.field: one}).decode() for one in condition.values]
        return f"t.{metadata.quoted}::jsonb @> ANY ({self._mark(texts, '::text[]::jsonb[]')})"

    def _mark(self, value: Any, cast: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}{cast}"

    def _column(self, name: str) -> _Stored:
        try:
            return self._table.columns[name]
        except KeyError:
            raise _at_fault(f"the table has no column `{name}`") from None


def _table_of(rows: Sequence[Any]) -> _Table:
    """Return a table from the rows of the catalogs. Raises Failed where there is none."""
    if not rows:
        raise _at_fault("the database has no table of the name of the collection, or no permission to see it")
    columns = {
        row["name"]: _Stored(row["quoted"], row["type"], row["kind"], row["size"], row["schema"]) for row in rows
    }
    major, minor = (*map(int, (rows[0]["version"] or "0.0").split(".")[:2]),)
    return _Table(rows[0]["whole"], columns, (major, minor) >= (0, 8))


def _at_fault(message: str) -> Failed:
    """Return the failure of a datasource or a template that does not fit the database: whoever maintains it learns why."""
    return Failed("statement-refused", message, "blocked")


def _text(value: Any) -> str:
    """Return a value as the server's own casts read it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _match(row: Mapping[str, Any]) -> dict[str, Any]:
    payload = {name.removeprefix("payload."): value for name, value in row.items() if name.startswith("payload.")}
    return {"id": row["id"], "score": row["score"], "payload": payload}
