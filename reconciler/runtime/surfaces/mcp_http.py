"""MCP over HTTP (streamable HTTP, answers as JSON): one message a POST, no sessions and no streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from reconciler.access.judge import Caller
from reconciler.runtime.gate import Labels
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.surfaces.incoming import received
from reconciler.runtime.surfaces.labels import KEY_HEADER, RUN_HEADER, BadLabel, labels
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_wire import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    ROUTING_HEADERS,
    UNSUPPORTED_VERSION,
    VERSION_HEADER,
    Fault,
    Headers,
    Notification,
    Request,
    is_modern,
    parse,
    require_envelope,
    require_headers,
    require_version,
    write_fault,
    write_result,
)
from reconciler.runtime.surfaces.offer import PlaneTools
from reconciler.runtime.surfaces.problem import REFUSED, problem
from reconciler.runtime.surfaces.traced import McpSpans
from reconciler.runtime.threads import aside
from reconciler.runtime.tracing import TRACEPARENT

RUN, KEY, TRACE = RUN_HEADER.encode(), KEY_HEADER.encode(), TRACEPARENT.encode()
_READ = frozenset({b"accept", b"content-type", RUN, KEY, TRACE, *ROUTING_HEADERS})
_STATUS: Mapping[int, int] = {PARSE_ERROR: 400, INVALID_REQUEST: 400}
_MODERN_STATUS: Mapping[int, int] = {
    **_STATUS,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
"""The status of each error of the modern era; the rest, and nearly all of the older era, is 200."""
_JSON = (b"content-type", b"application/json")


class McpOverHttp:
    """An ASGI application at one path. The guard before it has proved ``scope["who"]``."""

    def __init__(self, mcp: Mcp) -> None:
        self._mcp = mcp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            refused = problem(405, "method-not-allowed", "Send MCP's messages by POST.", {"Allow": "POST"})
            await refused(scope, receive, send)
            return
        headers, repeated = _headers(scope["headers"])
        if refused := _unfit(headers):
            await refused(scope, receive, send)
            return
        text = await received(receive)
        status, answer, refusal = await self._answer(scope["who"], text, headers, repeated)
        if refusal:
            scope[REFUSED] = refusal
        sent = [_JSON, (b"content-length", str(len(answer)).encode())] if answer else [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, who: Caller, text: bytes, headers: Headers, repeated: bytes) -> tuple[int, bytes, str]:
        """Return the status, the body (an empty one for a notification), and the code of a refusal.

        ``repeated`` is a header that came twice.
        """
        modern = is_modern(headers)
        try:
            message = await aside(len(text), parse, text)
            if isinstance(message, Notification):
                return self._taken(message, modern, headers)
            if modern:
                if repeated:
                    raise Fault(HEADER_MISMATCH, f"{repeated.decode()} came more than once.", id=message.id)
                require_envelope(message)
                require_headers(message, headers)
            beside = _labels(message, headers)
            answering = self._mcp.answer_modern if modern else self._mcp.answer
            result = await answering(who, message, beside, headers.get(TRACE, ""))
            return 200, write_result(message.id, result.text), result.refusal
        except Fault as fault:
            return (_MODERN_STATUS if modern else _STATUS).get(fault.code, 200), write_fault(fault), fault.refusal

    def _taken(self, message: Notification, modern: bool, headers: Headers) -> tuple[int, bytes, str]:
        """Take a notification and do nothing: an id in it proves nothing about whose request it would cancel. Raises Fault."""
        if modern and not message.method:
            raise Fault(INVALID_REQUEST, "Nothing was asked that this could be a response to.")
        if modern:
            require_version(headers[VERSION_HEADER])
        return 202, b"", ""


class PlanesOverHttp:
    """The same at a path for each plane, named by ``path_params``: its actions are the tools."""

    def __init__(self, mediator: Mediator, spans: McpSpans | None = None) -> None:
        self._mediator, self._spans = mediator, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plane = PlaneTools(self._mediator, scope["path_params"]["name"])
        await McpOverHttp(Mcp(self._mediator, plane, self._spans))(scope, receive, send)


def _headers(raw: list[tuple[bytes, bytes]]) -> tuple[Headers, bytes]:
    """Return the headers that are read here, the first of each, and the name of a routing header that came twice."""
    found: dict[bytes, str] = {}
    repeated = b""
    for name, value in raw:
        if name in _READ:
            if name not in found:
                found[name] = value.decode("latin-1").strip()
            elif name in ROUTING_HEADERS:
                repeated = name
    return found, repeated


def _unfit(headers: Headers) -> Any:
    """Return the refusal of a message in another form than JSON, or that wants its answer in one; None for a fit one."""
    kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return problem(415, "wrong-media-type", "Send JSON, as application/json.")
    accepted = {one.partition(";")[0].strip().lower() for one in headers.get(b"accept", "*/*").split(",")}
    if accepted.isdisjoint({"application/json", "application/*", "*/*"}):
        return problem(406, "not-acceptable", "Answers are application/json: accept that.")
    return None


def _labels(request: Request, headers: Headers) -> Labels:
    if RUN not in headers and KEY not in headers:
        return Labels()
    try:
        return labels(headers.get(RUN), headers.get(KEY))
    except BadLabel as error:
        raise Fault(INVALID_PARAMS, error.message, {"code": error.code}, request.id) from None
