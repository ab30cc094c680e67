"""Requests of agents as spans. Composed only where telemetry is exported: without it, no request comes through here."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.runtime.surfaces.hot import CALL, TOOLS
from reconciler.runtime.surfaces.incoming import header
from reconciler.runtime.surfaces.mcp_wire import MODERN_VERSIONS, VERSION_KEY, Request
from reconciler.runtime.tracing import METHOD, TRACEPARENT, Attribute, Part, Tracer

MCP_PATH = "/mcp"
OTHER = "_OTHER"
"""In place of a method that a caller made up."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traced:
    """An ASGI application before another: a request over HTTP of a proved caller is a span. MCP's messages begin their own."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if "who" not in scope or path == MCP_PATH or path.startswith(f"{MCP_PATH}/"):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        attributes = {"http.request.method": method, "url.scheme": scope.get("scheme", "http")}
        traceparent = header(scope, TRACEPARENT.encode()) or ""
        with Part(self._tracer.request("http-server", method, traceparent, attributes)) as part:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note(part, scope, method, message["status"])
                await send(message)

            await self._app(scope, receive, noted)


def _note(part: Part, scope: Scope, method: str, status: int) -> None:
    """Note what was found out about a request by the time it is answered; only statuses of ours are errors of the server."""
    route = _route(scope)
    if part.span is not None and route:
        part.span.rename(f"{method} {route}")
        part.note({"http.route": route})
    part.note({"http.response.status_code": status})
    if status >= 500:
        part.fail(str(status))


def _route(scope: Scope) -> str:
    """Return the path as it is declared: one of a request may hold what a caller made up."""
    route = getattr(scope.get("route"), "path", "")
    if not route and scope["path"].startswith(TOOLS) and scope.get("path_params"):
        return f"{TOOLS}{{name}}{CALL}"
    return str(route)


class McpSpans(NamedTuple):
    """Begins the spans of MCP's requests; ``transport`` is `tcp` or `pipe`."""

    tracer: Tracer
    transport: str

    def of(self, request: Request, methods: Collection[str], beside: str) -> Part:
        """Return the block around one request. ``beside`` is the `traceparent` of its transport, where `_meta` has none."""
        method = request.method if request.method in methods else OTHER
        attributes: dict[str, Attribute] = {METHOD: method, "network.transport": self.transport}
        if (version := request.meta.get(VERSION_KEY)) in MODERN_VERSIONS:
            attributes["mcp.protocol.version"] = str(version)
        own = request.meta.get(TRACEPARENT, beside)
        traceparent = own if isinstance(own, str) else ""
        return Part(self.tracer.request("mcp-server", method, traceparent, attributes))
