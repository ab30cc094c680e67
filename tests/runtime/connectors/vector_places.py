"""Stores of vectors with the same few articles in each, and calls of templates of type `vector` there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed
from reconciler.runtime.connectors.vector import open_vector
from tests.conftest import new_postgres_database
from tests.runtime.calls import SECRETS, around, call_of, resource

ARTICLES: tuple[tuple[str, list[float], dict[str, Any]], ...] = (
    ("00000000-0000-4000-8000-000000000001", [1.0, 0.0, 0.0], {"tenant": "acme", "title": "north", "team": "a", "year": 2024, "open": True}),
    ("00000000-0000-4000-8000-000000000002", [0.9, 0.1, 0.0], {"tenant": "acme", "title": "near north", "team": "b", "year": 2025, "open": False}),
    ("00000000-0000-4000-8000-000000000003", [0.0, 1.0, 0.0], {"tenant": "acme", "title": "east", "team": "b", "year": 2025, "open": True}),
    ("00000000-0000-4000-8000-000000000004", [1.0, 0.0, 0.0], {"tenant": "globex", "title": "of globex", "team": "a", "year": 2024, "open": True}),
)  # fmt: skip
"""Ids, vectors and fields. The last one is another tenant's, and as near as the first."""
NORTH = [1.0, 0.0, 0.0]
FIELDS = ["title", "team", "year", "open"]
VECTOR = {"type": "array", "items": "number"}


class Place(NamedTuple):
    """One store: its connector, what its datasource says besides its filter, and all that is in it, by id."""

    engine: str
    raw: dict[str, Any]
    source: dict[str, Any]
    everything: Callable[[], dict[str, dict[str, Any]]]

    def connector(self, **more: Any) -> Resource:
        return resource("connector", {"type": "vector", "engine": self.engine, **self.raw, **more})

    def datasource(self, **more: Any) -> Resource:
        own = {"type": "vector", "connector": "it", "filter": {"tenant": "acme"}, **self.source, **more}
        return resource("datasource", own)


def pgvector_place(server: str, metadata: bool = False) -> Place:
    """A table with a column for each field, or with one column for all of them."""
    url = new_postgres_database(server)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        fields = "meta jsonb" if metadata else "tenant text, title text, team varchar(9), year int, open boolean"
        connection.execute(f"CREATE TABLE articles (id uuid PRIMARY KEY, embedding vector(3), {fields})")  # type: ignore[arg-type]
        connection.execute("DO $$ BEGIN CREATE ROLE agent LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON articles TO agent")
        for id_, vector, payload in ARTICLES:
            values = [psycopg.types.json.Json(payload)] if metadata else [*payload.values()]
            marks = ", ".join(["%s"] * len(values))
            connection.execute(f"INSERT INTO articles VALUES (%s, %s, {marks})", [id_, str(vector), *values])  # type: ignore[arg-type]
    parts = conninfo_to_dict(url)
    SECRETS["env://VECTORS"] = f"postgresql://agent@/{parts['dbname']}?host={parts['host']}"

    def everything() -> dict[str, dict[str, Any]]:
        with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
            found: list[dict[str, Any]] = connection.execute("SELECT * FROM articles").fetchall()
        return {str(row.pop("id")): row.get("meta") or {**row, "embedding": None} for row in found}

    near = [{"cidr": "127.0.0.0/8", "port": 5432}]
    source = {"collection": "public.articles", **({"metadata_column": "meta"} if metadata else {})}
    return Place("pgvector", {"dsn": "env://VECTORS", "ssl": "disable", "network_exceptions": near}, source, everything)


def template(operation: str, parameters: dict[str, Any] | None = None, **more: Any) -> Resource:
    vector = {"vector": VECTOR} if "vector" in more else {}
    body = {"type": "vector", "datasource": "d", "operation": operation, "parameters": {**vector, **(parameters or {})}}
    return resource("template", {**body, **more})


def search(**more: Any) -> Resource:
    """A search for a vector that the caller gives, which returns all fields."""
    return template("search", more.pop("parameters", {}), **{"vector": "{vector}", "return": FIELDS, **more})


def with_place(place: Place, work: Callable[[Connection, Resource], Awaitable[None]], **more: Any) -> None:
    async def main() -> None:
        connector = place.connector(**more)
        connection = await open_vector("acme", connector, around())
        try:
            await work(connection, connector)
        finally:
            await connection.close()

    asyncio.run(main())


def ran(
    place: Place,
    what: Resource,
    values: dict[str, Any] | None = None,
    source: Resource | None = None,
    seconds: float = 10.0,
    **connector: Any,
) -> Answer | Failed:
    """The answer of one call, or why there is none."""
    found: list[Answer | Failed] = []

    async def work(connection: Connection, opened: Resource) -> None:
        try:
            chain = (what, source or place.datasource(), opened)
            found.append(await connection.run(call_of(chain, values or {}, seconds)))
        except Failed as error:
            found.append(error)

    with_place(place, work, **connector)
    return found[0]


def content(answer: Answer | Failed) -> Any:
    assert isinstance(answer, Answer), (getattr(answer, "code", ""), answer)
    return answer.content


def titles(answer: Answer | Failed) -> list[str]:
    return [one["payload"]["title"] for one in content(answer)]


def code(answer: Answer | Failed) -> str:
    return answer.code if isinstance(answer, Failed) else "answered"
