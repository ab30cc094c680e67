"""Stores over HTTP that lie, are slow, send too much, or refuse; addresses that may not be reached; keys that were replaced."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from reconciler.access.resource import Resource
from reconciler.kinds.connector.served import SERVED
from reconciler.runtime.call import Answer, Connection, Failed
from reconciler.runtime.connectors.vector import open_vector
from tests.runtime.calls import SECRETS, around, call_of
from tests.runtime.connectors.test_vector import DELETE, NEW, UPSERT, chroma
from tests.runtime.connectors.vector_places import NORTH, Place, code, content, pgvector_place, ran, search, with_place
from tests.runtime.connectors.vector_servers import chroma_place, near, qdrant_place
from tests.runtime.test_addresses import PRIVATE
from tests.serving import serving_in_thread

__all__ = ["chroma"]

INFO: dict[str, Any] = {
    "qdrant": {"result": {"config": {"params": {"vectors": {"size": 3, "distance": "Cosine"}}}}},
    "pinecone": {"dimension": 3, "metric": "cosine"},
    "chroma": {"id": "11-22", "dimension": 3, "configuration_json": {"hnsw": {"space": "cosine"}}},
}
ID = "00000000-0000-4000-8000-000000000001"


def found(engine: str, payload: Any, score: Any = 0.5, many: int = 1) -> Any:
    if engine == "qdrant":
        return {"result": {"points": [{"id": ID, "score": score, "payload": payload}] * many}}
    if engine == "pinecone":
        return {"matches": [{"id": ID, "score": score, "metadata": payload}] * many}
    return {"ids": [[ID] * many], "metadatas": [[payload] * many], "distances": [[score] * many]}


Reply = Callable[[web.Request], Any]


class Store:
    """A server that describes a collection well, and does otherwise as it is told."""

    def __init__(self, engine: str, does: Reply) -> None:
        self.engine, self._does = engine, does
        self.seen: list[tuple[str, str]] = []
        self.keys: list[str | None] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("api-key") or request.headers.get("x-chroma-token"))
        if request.path == "/vectors/fetch":
            return web.json_response({"vectors": {NEW: {"metadata": GOOD}}})
        if request.method == "GET" or request.path == "/describe_index_stats":
            return web.json_response(INFO[self.engine])
        self.seen.append((request.method, request.path))
        made = self._does(request)
        made = await made if asyncio.iscoroutine(made) else made
        return made if isinstance(made, web.StreamResponse) else web.json_response(made)


def told(engine: str, does: Reply, what: Resource | None = None, **more: Any) -> tuple[Answer | Failed, Store]:
    store = Store(engine, does)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", store)
    values = {"vector": NORTH, "id": NEW, "title": "x", "team": "x", "ids": [NEW]}
    with serving_in_thread(app) as port:
        own = {"api_key": "env://TOKEN", "index": "articles"} if engine == "pinecone" else {}
        place = Place(engine, {**near(port), **own}, {"collection": "articles"}, dict)
        return ran(place, what or search(), values, read_only=False, **more), store


ENGINES = pytest.mark.parametrize("engine", ["qdrant", "chroma", "pinecone"])
GOOD = {"tenant": "acme", "title": "a"}


def _raw(body: bytes, **headers: str) -> Reply:
    return lambda _request: web.Response(body=body, headers=headers)


LIES: list[tuple[str, Callable[[str], Reply], str]] = [
    ("no json", lambda _: _raw(b"hello"), "invalid-response"),
    ("nothing", lambda _: _raw(b""), "invalid-response"),
    ("a list", lambda _: _raw(b"[]"), "invalid-response"),
    ("not a number", lambda e: _raw(json.dumps(found(e, GOOD, math.nan)).encode()), "invalid-response"),
    ("a score that is text", lambda e: lambda _: found(e, GOOD, "x"), "invalid-response"),
    ("a payload that is a list", lambda e: lambda _: found(e, ["tenant"]), "invalid-response"),
    ("another tenant's", lambda e: lambda _: found(e, {"tenant": "globex"}), "invalid-response"),
    ("nobody's", lambda e: lambda _: found(e, None), "invalid-response"),
    ("a key twice", lambda _: _raw(b'{"result": 1, "result": 2}'), "invalid-response"),
    ("encoded", lambda _: _raw(b"\x1f\x8b", **{"Content-Encoding": "gzip"}), "invalid-response"),
    ("too much", lambda e: lambda _: found(e, {**GOOD, "x": "a" * 6_000_000}), "too-large"),
    ("a redirect", lambda _: lambda _: web.Response(status=302, headers={"Location": "http://x/"}), "upstream-failed"),
    ("an error", lambda _: lambda _: web.Response(status=500), "upstream-failed"),
    ("a limit", lambda _: lambda _: web.Response(status=429, headers={"Retry-After": "7"}), "upstream-limited"),
    ("a refusal", lambda _: lambda _: web.Response(status=401), "credential-refused"),
    ("nowhere", lambda _: lambda _: web.Response(status=404), "upstream-failed"),
]


@ENGINES
@pytest.mark.parametrize(("make", "expected"), [one[1:] for one in LIES], ids=[one[0] for one in LIES])
def test_a_store_that_lies_is_not_believed(engine: str, make: Callable[[str], Reply], expected: str) -> None:
    answer, _ = told(engine, make(engine))
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == (expected, "failure")
    assert answer.retry_after == (7 if expected == "upstream-limited" else None)


@ENGINES
def test_more_than_was_asked_for_is_left_out(engine: str) -> None:
    answer, _ = told(engine, lambda _: found(engine, GOOD, many=50), search(top_k=2))
    assert len(content(answer)) == 2


def _get_or(engine: str, request: web.Request, does: Any) -> Any:
    """Nothing lies under an id that is asked for before an upsert."""
    if request.path.endswith(("/get", "/points")) and request.method == "POST":
        return {"result": []} if engine == "qdrant" else {"ids": [], "metadatas": []}
    return does


@ENGINES
@pytest.mark.parametrize("what", [UPSERT, DELETE], ids=["upsert", "delete"])
@pytest.mark.parametrize("status", [500, 503])
def test_a_write_that_may_have_been_done_is_unknown_and_not_repeated(engine: str, what: Resource, status: int) -> None:
    answer, store = told(engine, lambda request: _get_or(engine, request, web.Response(status=status)), what)
    assert isinstance(answer, Failed)
    assert answer.outcome == "unknown"
    assert len([path for _, path in store.seen if not path.endswith(("/get", "/points"))]) <= 1
    assert len([method for method, _ in store.seen if method == "PUT"]) <= 1


@ENGINES
@pytest.mark.parametrize("what", [search(), UPSERT, DELETE], ids=["search", "upsert", "delete"])
def test_a_slow_store_is_left_in_time(engine: str, what: Resource) -> None:
    async def slow(request: web.Request) -> Any:
        early = _get_or(engine, request, None)
        if early is not None:
            return early
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    begun = time.monotonic()
    answer, _ = told(engine, slow, what, seconds=0.5)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("timeout", "timeout" if what.body["operation"] == "search" else "unknown")
    assert time.monotonic() - begun < 5


@ENGINES
def test_a_key_that_was_replaced_is_resolved_anew_once(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECRETS, "env://KEY", "old-key-of-the-store")

    def does(request: web.Request) -> Any:
        return found(engine, GOOD) if len(store_keys) > 0 else web.Response(status=401)

    store_keys: list[int] = []

    def first_refuses(request: web.Request) -> Any:
        answer = does(request)
        store_keys.append(1)
        return answer

    answer, store = told(engine, first_refuses, api_key="env://KEY")
    assert len(content(answer)) == 1
    assert {*store.keys} == {"old-key-of-the-store"}
    assert len(store.seen) == 2
    refused, store = told(engine, lambda _: web.Response(status=403), api_key="env://KEY")
    assert (code(refused), len(store.seen)) == ("credential-refused", 2)


@pytest.fixture
def remade(chroma: int) -> Place:
    return chroma_place(chroma)


def test_a_collection_that_was_made_anew_is_found_again(remade: Place) -> None:
    from tests.runtime.connectors.vector_servers import CHROMA, asked

    name, port = remade.source["collection"], remade.raw["network_exceptions"][0]["port"]

    async def work(connection: Connection, connector: Resource) -> None:
        async def titles() -> list[str]:
            asked_of = call_of((search(), remade.datasource(), connector), {"vector": NORTH})
            return [one["payload"]["title"] for one in (await connection.run(asked_of)).content]

        assert len(await titles()) == 3
        await asyncio.to_thread(asked, port, "DELETE", f"{CHROMA}/collections/{name}")
        made = await asyncio.to_thread(asked, port, "POST", f"{CHROMA}/collections", {"name": name})
        record = {"ids": ["a"], "embeddings": [NORTH], "metadatas": [{"tenant": "acme", "title": "new"}]}
        await asyncio.to_thread(asked, port, "POST", f"{CHROMA}/collections/{made['id']}/upsert", record)
        assert await titles() == ["new"]

    with_place(remade, work)


def test_scores_are_the_same_for_every_engine(chroma: int, postgres_server: str) -> None:
    """The exact numbers of cosine, inner product and distance."""
    asked = {"vector": [2.0, 0.0, 0.0]}
    expected = {
        "cosine": [1.0, 0.9 / math.hypot(0.9, 0.1), 0.0],
        "dot": [2.0, 1.8, 0.0],
        "euclidean": [-1.0, -math.hypot(1.1, 0.1), -math.hypot(2.0, 1.0)],
    }
    for metric, scores in expected.items():
        spaces = {"cosine": "cosine", "dot": "ip", "euclidean": "l2"}
        distances = {"cosine": "Cosine", "dot": "Dot", "euclidean": "Euclid"}
        with qdrant_place(distances[metric]) as of_qdrant:
            places = (pgvector_place(postgres_server), chroma_place(chroma, spaces[metric]), of_qdrant)
            for place in places:
                told = content(ran(place, search(), asked, metric=metric))
                assert [one["score"] for one in told] == pytest.approx(scores, abs=1e-4), (place.engine, metric)


def test_health_is_the_cheapest_call(chroma: int, postgres_server: str) -> None:
    async def work(connection: Connection, _connector: Resource) -> None:
        await connection.ping()

    with qdrant_place() as of_qdrant:
        for place in (pgvector_place(postgres_server), chroma_place(chroma), of_qdrant):
            with_place(place, work)

    async def fails(connection: Connection, _connector: Resource) -> None:
        with pytest.raises(Failed):
            await connection.ping()

    for engine in ("qdrant", "chroma"):
        with_place(Place(engine, near(1), {}, dict), fails)


@pytest.mark.parametrize("engine", SERVED["vector"].by)
def test_no_private_address_is_dialled(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form of an address, without an exception in the connector: a victim on every address of the machine sees nobody."""
    seen: list[int] = []

    async def victim(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(victim, ["127.0.0.1", "::1"], 0)
        ports = {one.getsockname()[0]: one.getsockname()[1] for one in server.sockets}
        for form in PRIVATE:
            host = f"[{form}]" if ":" in form and not form.startswith("[") else form
            for port in {*ports.values()}:
                raw: dict[str, Any] = {"url": f"http://{host}:{port}"}
                if engine == "pinecone":
                    raw |= {"api_key": "env://TOKEN", "index": "articles"}
                if engine == "pgvector":
                    monkeypatch.setitem(SECRETS, "env://VECTORS", f"postgresql://agent@{host}:{port}/x")
                    raw = {"dsn": "env://VECTORS", "ssl": "disable"}
                try:
                    connector = Place(engine, raw, {"collection": "c"}, dict).connector()
                except AssertionError:
                    continue  # the spec refuses the address
                connection = await open_vector("acme", connector, around())
                source = Place(engine, raw, {"collection": "c"}, dict).datasource()
                with pytest.raises(Failed) as refused:
                    await connection.run(call_of((search(), source, connector), {"vector": NORTH}, 5.0))
                assert seen == [], form
                assert refused.value.code in {"address-refused", "unreachable", "invalid-dsn"}, form
                await connection.close()
        server.close()

    asyncio.run(main())
    assert seen == []


def test_a_toy_engine_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`weaviate` is declared and not served; a module and an entry serve it."""
    import sys
    from types import ModuleType

    from reconciler.kinds.connector.served import unserved
    from reconciler.runtime.connectors.vector_asked import Match, Search, answer_of

    class Toy:
        async def search(self, call: Any, wanted: Search) -> Answer:
            return answer_of([Match("a", 1.0, {"title": wanted.asked.collection})], wanted.asked.most, 0)

        async def close(self) -> None:
            return None

    async def open_engine(*_: Any) -> Any:
        return Toy()

    place = Place("weaviate", {"url": "https://weaviate.example.com"}, {"collection": "Article"}, dict)
    assert unserved(place.connector().body) == "the engine weaviate"
    with pytest.raises(Failed, match="can't be used yet"):
        ran(place, search(), {"vector": NORTH})
    module = ModuleType("vector_toy")
    module.open_engine = open_engine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reconciler.runtime.connectors.vector_toy", module)
    served = SERVED["vector"]
    monkeypatch.setitem(SERVED, "vector", served._replace(by={**served.by, "weaviate": "vector_toy"}))  # type: ignore[arg-type]
    assert unserved(place.connector().body) is None
    assert content(ran(place, search(), {"vector": NORTH}))[0]["payload"] == {"title": "Article"}
