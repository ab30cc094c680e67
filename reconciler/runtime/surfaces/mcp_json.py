"""Messages of MCP read strictly, before the SDK reads them in its own way.

The SDK keeps the last of two equal keys and rounds numbers to floats. Here every message is read once more: what is no
strict JSON is refused, and the arguments of a call are taken as they were sent.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
from mcp.server.stdio import stdio_server
from starlette.responses import Response

from reconciler import strict_json
from reconciler.runtime.surfaces.guard import MOST_BYTES, TooLarge
from reconciler.runtime.surfaces.problem import Json, problem
from reconciler.strict_json import NotStrict

PARSE_ERROR = -32700
MOST_WAITING = 10_000
"""Calls over stdio whose arguments are kept until the SDK hands them over."""


class StrictMessages:
    """An ASGI application that hands on only strict JSON; the message is found again in ``scope["message"]``."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            body = await _body(receive)
            scope["message"] = strict_json.read(body)
        except TooLarge:
            await problem(413, "too-large", f"A request has at most {MOST_BYTES} bytes.")(scope, receive, send)
            return
        except NotStrict as error:
            await _refusal(error)(scope, receive, send)
            return
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Any:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts)


def _refusal(error: NotStrict) -> Response:
    told = {"code": PARSE_ERROR, "message": f"Send strict JSON: {error}."}
    return Json({"jsonrpc": "2.0", "id": None, "error": told}, 400)


def of_http(context: Any) -> Mapping[str, Any]:
    """Return the arguments of a call that came over HTTP. Raises NotStrict."""
    return arguments_in(context.request.scope["message"])


def arguments_in(message: Any) -> Mapping[str, Any]:
    """Return the arguments of a message that calls a tool. Raises NotStrict."""
    found = message["params"].get("arguments")
    if found is not None and not isinstance(found, dict):
        raise NotStrict("`arguments` is no object")
    return found or {}


def _arguments_or_fault(message: Any) -> Mapping[str, Any] | NotStrict:
    try:
        return arguments_in(message)
    except NotStrict as error:
        return error


class Lines:
    """Lines of stdin, each read strictly before the SDK has it; arguments are found again by the request's id."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._found: dict[Any, Mapping[str, Any] | NotStrict] = {}

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self._lines:
            if (message := self._noted(line)) is not None:
                yield message

    def _noted(self, line: str) -> str | None:
        """Return the line for the SDK, or in place of one that is not strict a call that gets the refusal for an answer.

        The SDK drops a line that it can't read, and its sender would wait for ever. None: the line names no request.
        """
        try:
            message = strict_json.read(line.encode(errors="surrogateescape"))
        except NotStrict as error:
            return self._refused(line, error)
        with contextlib.suppress(TypeError, KeyError, AttributeError):
            if message["method"] == "tools/call":
                self._keep(message["id"], _arguments_or_fault(message))
        return line

    def _refused(self, line: str, error: NotStrict) -> str | None:
        """Answer the request that the lax reading of a line finds."""
        try:
            identity = strict_json.lax(line)["id"]
            call = {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": {"name": "?"}}
            text = strict_json.write(call).decode()
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        self._keep(identity, error)
        return f"{text}\n"

    def _keep(self, identity: Any, found: Mapping[str, Any] | NotStrict) -> None:
        if not isinstance(identity, str | int) or isinstance(identity, bool):
            return  # no id of a request, and True would be taken for 1
        if len(self._found) >= MOST_WAITING:
            self._found.clear()
        self._found[identity] = found

    def of_stdio(self, context: Any) -> Mapping[str, Any]:
        """Return the arguments of a call that came over stdin. Raises NotStrict."""
        found = self._found.pop(context.request_id, NotStrict("the call was not read"))
        if isinstance(found, NotStrict):
            raise found
        return found


@contextlib.asynccontextmanager
async def strict_stdio() -> AsyncIterator[tuple[Any, Any, Lines]]:
    """Open the streams of a stdio server; what else writes to stdout goes to stderr meanwhile."""
    own_in, own_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    with (
        # other bytes stay visible to the strict reader; CR is a blank in JSON, and ends no message
        open(own_in, encoding="utf-8", errors="surrogateescape", newline="\n") as reader,
        open(own_out, "w", encoding="utf-8") as writer,
    ):
        lines = Lines(anyio.wrap_file(reader))
        stdin: Any = lines
        async with stdio_server(stdin, anyio.wrap_file(writer)) as (read, write):
            yield read, write, lines
