"""The table of paths that agents ask all the time answers as the framework would."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.runtime.surfaces.agents import HANDLERS
from reconciler.runtime.surfaces.hot import HotPaths

ASKED = [
    ("POST", "/v1/tools/top/call"),
    ("GET", "/v1/tools/top/call"),
    ("POST", "/v1/tools//call"),
    ("POST", "/v1/tools/call"),
    ("POST", "/v1/tools/a/b/call"),
    ("POST", "/v1/tools/a/call/"),
    ("POST", "/v1/tools/call/call"),
    ("POST", "/v1/tools/\u00fc\n/call"),
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("POST", "/mcp/"),
    ("GET", "/v1/other"),
    ("POST", "/V1/tools/top/call"),
]


async def call(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "broken":
        raise ZeroDivisionError("a secret")
    if name == "gone":
        raise ClientDisconnect
    return PlainTextResponse(f"called {name}")


async def other(_request: Request) -> Response:
    return PlainTextResponse("other")


class Mcp:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(f"mcp {scope['method']}")(scope, receive, send)


def asked(app: Any, method: str, path: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


def both() -> tuple[Any, Any]:
    routes = [Route("/v1/tools/{name}/call", call, methods=["POST"]), Route("/v1/other", other), Route("/mcp", Mcp())]
    framework = Starlette(routes=routes, exception_handlers=HANDLERS)
    framework.router.redirect_slashes = False
    return HotPaths({"/mcp": Mcp()}, call, framework), framework


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_it_answers_as_the_framework_does(method: str, path: str) -> None:
    hot, framework = both()
    assert asked(hot, method, path) == asked(framework, method, path)


def test_a_defect_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    hot, _ = both()
    status, body = asked(hot, "POST", "/v1/tools/broken/call")
    assert (status, b"secret" in body, b"internal-error" in body) == (500, False, True)
    assert [record.message for record in caplog.records] == ["a call over HTTP failed"]
    with pytest.raises(ClientDisconnect):
        asked(hot, "POST", "/v1/tools/gone/call")
