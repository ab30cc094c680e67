"""Real stores of vectors over HTTP: Chroma's own server, and `qdrant-client`'s local mode and models behind Qdrant's paths."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from qdrant_client import models
from qdrant_client.local.qdrant_local import QdrantLocal

from tests.runtime.connectors.vector_places import ARTICLES, Place
from tests.serving import serving_in_thread

CHROMA = "/api/v2/tenants/default_tenant/databases/default_database"


@contextlib.contextmanager
def chroma_server(folder: Path) -> Iterator[int]:
    """Yield the port of a Chroma of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-c", "from chromadb.cli.cli import app; app()", "run"]
    process = subprocess.Popen(
        [*command, "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while True:
            try:
                asked(port, "GET", "/api/v2/heartbeat")
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def asked(port: int, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def near(port: int) -> dict[str, Any]:
    return {
        "url": f"http://127.0.0.1:{port}",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": port}],
    }


def chroma_place(port: int, space: str = "cosine") -> Place:
    """A collection of its own."""
    name = f"c{uuid4().hex}"
    made = asked(port, "POST", f"{CHROMA}/collections", {"name": name, "configuration": {"hnsw": {"space": space}}})
    base = f"{CHROMA}/collections/{made['id']}"
    records = {
        "ids": [one[0] for one in ARTICLES],
        "embeddings": [one[1] for one in ARTICLES],
        "metadatas": [one[2] for one in ARTICLES],
    }
    asked(port, "POST", f"{base}/upsert", records)

    def everything() -> dict[str, dict[str, Any]]:
        found = asked(port, "POST", f"{base}/get", {"include": ["metadatas"]})
        return dict(zip(found["ids"], found["metadatas"], strict=True))

    return Place("chroma", near(port), {"collection": name}, everything)


@contextlib.contextmanager
def qdrant_place(distance: str = "Cosine", named: bool = False, size: int = 3) -> Iterator[Place]:
    """A collection in memory, behind a server that reads requests by the client's own models."""
    local = QdrantLocal(":memory:")
    vectors = models.VectorParams(size=size, distance=models.Distance(distance))
    local.create_collection("articles", vectors_config={"text": vectors} if named else vectors)
    points = [
        models.PointStruct(id=id_, vector={"text": vector[:size]} if named else vector[:size], payload=payload)
        for id_, vector, payload in ARTICLES
    ]
    local.upsert("articles", points)

    def everything() -> dict[str, dict[str, Any]]:
        found, _ = local.scroll("articles", limit=100, with_payload=True)
        return {str(one.id): dict(one.payload or {}) for one in found}

    with serving_in_thread(_qdrant(local)) as port:
        source = {"collection": "articles", **({"vector_name": "text"} if named else {})}
        yield Place("qdrant", near(port), source, everything)


def _qdrant(local: QdrantLocal) -> web.Application:
    def answered(result: Any) -> web.Response:
        dumped = result.model_dump(mode="json") if hasattr(result, "model_dump") else result
        return web.json_response({"result": dumped, "status": "ok", "time": 0.0})

    async def collection(request: web.Request) -> web.Response:
        return answered(local.get_collection(request.match_info["name"]))

    async def query(request: web.Request) -> web.Response:
        wanted = models.QueryRequest.model_validate(await request.json())
        found = local.query_points(
            request.match_info["name"],
            query=wanted.query,
            using=wanted.using,
            query_filter=wanted.filter,
            limit=wanted.limit,
            with_payload=wanted.with_payload,
            with_vectors=bool(wanted.with_vector),
        )
        return answered(found)

    async def upsert(request: web.Request) -> web.Response:
        wanted = models.PointsList.model_validate(await request.json())
        return answered(local.upsert(request.match_info["name"], wanted.points, update_filter=wanted.update_filter))

    async def retrieve(request: web.Request) -> web.Response:
        wanted = models.PointRequest.model_validate(await request.json())
        found = local.retrieve(request.match_info["name"], wanted.ids, with_payload=wanted.with_payload or True)
        return answered([one.model_dump(mode="json") for one in found])

    async def delete(request: web.Request) -> web.Response:
        wanted = models.FilterSelector.model_validate(await request.json())
        return answered(local.delete(request.match_info["name"], wanted))

    @web.middleware
    async def failing(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            made: web.StreamResponse = await handler(request)
            return made
        except ValueError as error:
            status = 404 if "not found" in str(error) else 400
            return web.json_response({"status": {"error": str(error)}}, status=status)

    app = web.Application(middlewares=[failing])
    app.router.add_get("/collections", _listed)
    app.router.add_get("/collections/{name}", collection)
    app.router.add_post("/collections/{name}/points/query", query)
    app.router.add_put("/collections/{name}/points", upsert)
    app.router.add_post("/collections/{name}/points", retrieve)
    app.router.add_post("/collections/{name}/points/delete", delete)
    return app


async def _listed(_: web.Request) -> web.Response:
    return web.json_response({"result": {"collections": []}})


@contextlib.contextmanager
def pinecone_place() -> Iterator[Place]:
    """An index in memory behind a server that refuses whatever has another shape than Pinecone's API documents."""
    namespaces: dict[str, dict[str, dict[str, Any]]] = {"articles": {}}
    for id_, vector, metadata in ARTICLES:
        namespaces["articles"][id_] = {"id": id_, "values": vector, "metadata": _as_floats(metadata)}

    def everything() -> dict[str, dict[str, Any]]:
        return {id_: dict(one["metadata"]) for id_, one in namespaces["articles"].items()}

    with serving_in_thread(_pinecone(namespaces)) as port:
        raw = {**near(port), "api_key": "env://TOKEN", "index": "articles"}
        yield Place("pinecone", raw, {"collection": "articles"}, everything)


def _as_floats(metadata: dict[str, Any]) -> dict[str, Any]:
    """Numbers as Pinecone keeps them; nothing but what it documents as metadata."""
    for name, value in metadata.items():
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        require(not name.startswith("$") and (is_list or isinstance(value, str | bool | int | float)))
    return {name: float(value) if type(value) is int else value for name, value in metadata.items()}


def require(holds: bool) -> None:
    if not holds:
        raise ValueError


def _meets(metadata: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether metadata holds a filter of `$and`, `$or`, `$eq` and `$in`, which is all that is documented of them."""
    require(len(wanted) == 1)
    ((field, said),) = wanted.items()
    if field in {"$and", "$or"}:
        found = [_meets(metadata, one) for one in said]
        return all(found) if field == "$and" else any(found)
    require(not field.startswith("$") and len(said) == 1)
    ((operator, value),) = said.items()
    require(operator in {"$eq", "$in"})
    values = value if operator == "$in" else [value]
    require(all(isinstance(one, str | int | float) for one in values))
    require(operator == "$eq" or not any(isinstance(one, bool) for one in values))
    has = metadata.get(field)
    return any(isinstance(has, bool) == isinstance(one, bool) and has == one for one in values)


def _pinecone(namespaces: dict[str, dict[str, dict[str, Any]]]) -> web.Application:
    async def body_of(request: web.Request, needed: set[str], allowed: set[str]) -> Any:
        body = await request.json()
        require(needed <= {*body} <= needed | allowed)
        return body

    async def stats(request: web.Request) -> web.Response:
        await body_of(request, set(), {"filter"})
        return web.json_response({"dimension": 3, "metric": "cosine", "namespaces": {}, "totalVectorCount": 4})

    async def query(request: web.Request) -> web.Response:
        more = {"filter", "includeMetadata", "includeValues"}
        body = await body_of(request, {"namespace", "vector", "topK"}, more)
        there = namespaces.get(body["namespace"], {}).values()
        hits = [one for one in there if "filter" not in body or _meets(one["metadata"], body["filter"])]
        scored = sorted(((_cosine(one["values"], body["vector"]), one) for one in hits), key=lambda pair: -pair[0])
        matches = [{"id": one["id"], "score": score, "metadata": one["metadata"]} for score, one in scored]
        return web.json_response({"matches": matches[: body["topK"]], "namespace": body["namespace"]})

    async def fetch(request: web.Request) -> web.Response:
        require({*request.query} == {"ids", "namespace"})
        there = namespaces.get(request.query["namespace"], {})
        found = {one: there[one] for one in request.query.getall("ids") if one in there}
        return web.json_response({"vectors": found, "namespace": request.query["namespace"]})

    async def upsert(request: web.Request) -> web.Response:
        body = await body_of(request, {"vectors", "namespace"}, set())
        for one in body["vectors"]:
            require({*one} == {"id", "values", "metadata"} and isinstance(one["id"], str) and len(one["values"]) == 3)
            made = {**one, "metadata": _as_floats(one["metadata"])}
            namespaces.setdefault(body["namespace"], {})[one["id"]] = made
        return web.json_response({"upsertedCount": len(body["vectors"])})

    async def delete(request: web.Request) -> web.Response:
        body = await body_of(request, {"namespace"}, {"ids", "filter"})
        require(("ids" in body) != ("filter" in body))
        there = namespaces[body["namespace"]]
        ids = body.get(
            "ids", [id_ for id_, one in there.items() if "ids" not in body and _meets(one["metadata"], body["filter"])]
        )
        for one in ids:
            there.pop(one, None)
        return web.json_response({})

    @web.middleware
    async def strict(request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.headers.get("Api-Key"):
            return web.Response(status=401, text="Unauthorized")
        try:
            require(request.headers.get("X-Pinecone-Api-Version") == "2025-04")
            made: web.StreamResponse = await handler(request)
            return made
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"code": 3, "message": str(error), "details": []}, status=400)

    app = web.Application(middlewares=[strict])
    app.router.add_post("/describe_index_stats", stats)
    app.router.add_post("/query", query)
    app.router.add_get("/vectors/fetch", fetch)
    app.router.add_post("/vectors/upsert", upsert)
    app.router.add_post("/vectors/delete", delete)
    return app


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))
