"""Real stores of vectors over HTTP: Chroma's own server, and `qdrant-client`'s local mode and models behind Qdrant's paths."""

from __future__ import annotations

import contextlib
import json
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
