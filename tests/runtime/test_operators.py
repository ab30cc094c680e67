"""The operators' API while nobody knows what is in force."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.load.serve_file import OperatorToken
from reconciler.runtime import source as source_module
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.setup import Databases
from reconciler.runtime.surfaces import agents, operators
from reconciler.runtime.surfaces.operator import Operator, OperatorsApi
from reconciler.store.url import parse_database
from tests.conftest import Db
from tests.runtime.worlds import World, in_world

TOP = "/v1/tenants/acme"
OPERATOR = Operator("ada", OperatorToken(sha256=sha256(b"x").hexdigest(), scopes=("operate", "evidence")))
ASKED: Sequence[tuple[str, str, Any]] = [
    ("POST", f"{TOP}/access/explain", {"caller": "bot", "target": "template/top"}),
    ("GET", f"{TOP}/connectors", None),
    ("GET", f"{TOP}/connectors/warehouse", None),
    ("GET", f"{TOP}/templates/top", None),
]


def as_operator(app: ASGIApp) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "who": OPERATOR}, receive, send)

    return call


@asynccontextmanager
async def client_of(world: World) -> AsyncIterator[httpx.AsyncClient]:
    control, store = (parse_database(url, Path("/")) for url in (world.db.url, world.store.url))
    databases = Databases(control, store, store)
    routes = operators.routes(
        OperatorsApi(world.source, world.mediator, databases, None, lambda: "", Servers(world.source, world.pools))
    )
    app = as_operator(Starlette(routes=routes, exception_handlers=agents.HANDLERS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://operators") as client:
        yield client


def test_a_stale_snapshot_answers_no_question_about_what_is_in_force(
    db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was true some time ago is no answer to an operator who wants to know what would happen now."""

    async def work(world: World) -> None:
        async with client_of(world) as client:

            async def answers() -> list[httpx.Response]:
                return [await client.request(method, path, json=body) for method, path, body in ASKED]

            assert {one.status_code for one in await answers()} == {200}
            monkeypatch.setattr(source_module, "FRESH_SECONDS", -1.0)
            for one in await answers():
                assert (one.status_code, one.json()["code"], one.headers["Retry-After"]) == (503, "unavailable", "5")
                assert "confirmed" not in one.text  # the reason is for the log
            for path in ("freezes", "evidence"):  # these are read from the database itself
                assert (await client.get(f"{TOP}/{path}")).status_code == 200
            monkeypatch.undo()
            assert {one.status_code for one in await answers()} == {200}

    in_world(db, folder, work)


@pytest.mark.parametrize(
    ("scopes", "tenants", "status"),
    [
        (("metrics",), (), 200),
        (("operate", "evidence", "approve"), (), 403),
        (("metrics",), ("acme",), 403),  # they are of all tenants
    ],
)
def test_metrics_have_a_scope_of_their_own(
    db: Db, folder: Path, scopes: Any, tenants: Any, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = OperatorToken(sha256=OPERATOR.token.sha256, scopes=scopes, tenants=tenants)
    monkeypatch.setitem(globals(), "OPERATOR", Operator("ada", token))

    async def work(world: World) -> None:
        async with client_of(world) as client:
            answer = await client.get("/metrics")
            assert answer.status_code == status
            assert status == 200 or "no scope `metrics` for all tenants" in answer.json()["title"]

    in_world(db, folder, work)
