"""MCP over HTTP in this process: an endpoint over a world, and messages for it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from reconciler.access.judge import Caller
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_http import McpOverHttp
from reconciler.runtime.surfaces.offer import AllTools, ToolOffer
from reconciler.runtime.surfaces.problem import REFUSED
from tests.runtime.worlds import BOT, World

MODERN = "2026-07-28"
VERSION = "io.modelcontextprotocol/protocolVersion"
ENVELOPE = {VERSION: MODERN, "io.modelcontextprotocol/clientCapabilities": {}}


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any
    refused: str
    """What the guard would count it as."""


def request(method: str, id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def modern(method: str, id: Any = 1, meta: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return request(method, id, **params, _meta={**ENVELOPE, **(meta or {})})


def routing(message: dict[str, Any]) -> dict[str, str]:
    """Return the headers that repeat a modern message."""
    named = {"Mcp-Name": message["params"]["name"]} if message["method"] == "tools/call" else {}
    return {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"], **named}


class Endpoint:
    """``POST /mcp`` of a caller whom the guard has proved."""

    def __init__(self, world: World, who: Caller = BOT, offer: ToolOffer | None = None) -> None:
        self._app, self._who = McpOverHttp(Mcp(world.mediator, offer or AllTools(world.mediator))), who

    async def send(
        self, body: Any, headers: dict[str, str] | list[tuple[str, str]] | None = None, method: str = "POST"
    ) -> Response:
        """Send bytes as they are, anything else as JSON; ``headers`` stand before those that every message has."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        pairs = headers.items() if isinstance(headers, dict) else headers or []
        named = {name.lower() for name, _ in pairs}
        more = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
        raw += [(name.encode(), value.encode()) for name, value in more.items() if name not in named]
        scope = {"type": "http", "method": method, "path": "/mcp", "headers": raw, "who": self._who}
        halves = [text[: len(text) // 2], text[len(text) // 2 :]]
        sent: list[Any] = []

        async def receive() -> Any:
            part = halves.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(halves)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        content = b"".join(one.get("body", b"") for one in sent[1:])
        body = json.loads(content) if content else None
        return Response(sent[0]["status"], found, body, str(scope.get(REFUSED, "")))

    async def modern(self, method: str, meta: dict[str, Any] | None = None, **params: Any) -> Response:
        message = modern(method, meta=meta, **params)
        return await self.send(message, routing(message))
