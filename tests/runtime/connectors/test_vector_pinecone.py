"""What is Pinecone's own: the requests by the shapes of its API (version 2025-04), its numbers, and where its key goes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from reconciler.runtime.call import Answer, Failed
from reconciler.runtime.connectors import vector_pinecone
from reconciler.runtime.connectors.vector_pinecone import host_of
from tests.runtime.connectors.test_http import serving
from tests.runtime.connectors.test_vector import DELETE, FOREIGN, NEW, UPSERT
from tests.runtime.connectors.vector_places import NORTH, Place, code, content, ran, search, template
from tests.runtime.connectors.vector_servers import near, pinecone_place


def met(what: Any, values: dict[str, Any], metric: str = "cosine", **more: Any) -> tuple[Answer | Failed, list[Any]]:
    """What comes of one call, and the requests that were made: method, path with its query, body."""
    seen: list[Any] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        assert (request.headers["Api-Key"], request.headers["X-Pinecone-Api-Version"]) == (
            "s3cret-token-value",
            "2025-04",
        )
        seen.append((request.method, request.path_qs, json.loads(await request.read() or b"null")))
        if request.path == "/describe_index_stats":
            return web.json_response({"dimension": 3, "metric": metric})
        if request.path == "/vectors/fetch":
            there = {NEW: {"metadata": {"tenant": "acme"}}, FOREIGN: {"metadata": {"tenant": "globex"}}}
            return web.json_response(
                {"vectors": {one: there[one] for one in request.query.getall("ids") if one in there}}
            )
        hit = {"id": "a", "score": 4.0, "metadata": {"tenant": "acme", "year": 2024.0}}
        return web.json_response({"matches": [hit]} if request.path == "/query" else {})

    async def main() -> Answer | Failed:
        async with serving(handle) as server:
            raw = {**near(server.port), "api_key": "env://TOKEN", "index": "articles"}
            place = Place("pinecone", raw, {"collection": "handbook"}, dict)
            return await asyncio.to_thread(ran, place, what, values, read_only=False, **more)

    return asyncio.run(main()), seen[1:] if seen and seen[0][1] == "/describe_index_stats" else seen


def test_requests_have_the_documented_shapes() -> None:
    asked = search(filter={"team": ["a", "b"], "open": True, "year": 2024}, top_k=2)
    answer, (query,) = met(asked, {"vector": NORTH})
    assert content(answer)[0]["payload"]["year"] == 2024
    held = [
        {"tenant": {"$eq": "acme"}},
        {"team": {"$in": ["a", "b"]}},
        {"open": {"$eq": True}},
        {"year": {"$eq": 2024}},
    ]
    body = query[2]
    assert query[:2] == ("POST", "/query")
    assert sorted(map(str, body.pop("filter")["$and"])) == sorted(map(str, held))
    assert body == {
        "namespace": "handbook",
        "vector": NORTH,
        "topK": 2,
        "includeMetadata": True,
        "includeValues": False,
    }

    values = {"id": NEW, "vector": NORTH, "title": "t", "team": "a"}
    _, (fetch, upsert) = met(UPSERT, values)
    assert fetch == ("GET", f"/vectors/fetch?ids={NEW}&namespace=handbook", None)
    metadata = {"title": "t", "team": "a", "year": 2026, "open": True, "tenant": "acme"}
    vector = {"id": NEW, "values": NORTH, "metadata": metadata}
    assert upsert == ("POST", "/vectors/upsert", {"namespace": "handbook", "vectors": [vector]})

    _, (deleted,) = met(template("delete", filter={"team": "a"}), {})
    assert sorted(map(str, deleted[2].pop("filter")["$and"])) == [
        "{'team': {'$eq': 'a'}}",
        "{'tenant': {'$eq': 'acme'}}",
    ]
    assert deleted == ("POST", "/vectors/delete", {"namespace": "handbook"})


def test_a_datasource_is_one_namespace() -> None:
    with pinecone_place() as place:
        answer = ran(place, search(), {"vector": NORTH}, place.datasource(collection="other", namespace="articles"))
        assert len(content(answer)) == 3
        assert content(ran(place, search(), {"vector": NORTH}, place.datasource(namespace="empty"))) == []


def test_of_ids_only_the_own_are_deleted() -> None:
    _, requests = met(DELETE, {"ids": [FOREIGN, NEW, "nobody"]})
    assert requests[-1] == ("POST", "/vectors/delete", {"namespace": "handbook", "ids": [NEW]})
    answer, requests = met(DELETE, {"ids": [FOREIGN]})
    assert (content(answer), len(requests)) == ({"deleted": 0}, 1)


def test_a_score_of_a_distance_is_its_root_with_a_minus() -> None:
    for metric, score in (("euclidean", -2.0), ("dotproduct", 4.0)):
        answer, _ = met(search(), {"vector": NORTH}, metric)
        assert content(answer)[0]["score"] == score


def test_a_number_that_would_be_rounded_is_refused() -> None:
    with pinecone_place() as place:
        asked = search(filter={"year": "{year}"}, parameters={"year": {"type": "integer"}})
        assert code(ran(place, asked, {"vector": NORTH, "year": 2**53 + 1})) == "query-failed"
        assert content(ran(place, asked, {"vector": NORTH, "year": 2**53})) == []


@pytest.mark.parametrize(
    "host",
    ["evil.example", "a.pinecone.io.evil.example", "a.pinecone.io/x", "a@b.pinecone.io", "x.pinecone.io:8", "", 5],
)
def test_the_key_goes_to_no_other_host(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError):
        host_of({"host": host})
    assert host_of({"host": "articles-1.svc.aped-4627-b74a.pinecone.io"})
    seen: list[str] = []

    async def control(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.json_response({"host": host, "dimension": 3, "metric": "cosine"})

    async def main() -> Answer | Failed:
        async with serving(control) as server:
            monkeypatch.setattr(vector_pinecone, "CONTROL", f"http://127.0.0.1:{server.port}")
            exceptions = {"network_exceptions": near(server.port)["network_exceptions"]}
            raw = {"api_key": "env://TOKEN", "index": "articles", **exceptions}
            return await asyncio.to_thread(
                ran, Place("pinecone", raw, {"collection": "x"}, dict), search(), {"vector": NORTH}
            )

    assert code(asyncio.run(main())) == "invalid-response"
    assert seen == ["/indexes/articles"]
