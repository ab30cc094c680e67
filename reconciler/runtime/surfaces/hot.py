"""The paths that agents ask all the time, found in a table; everything else goes on to the framework."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.runtime.surfaces.problem import problem

log = logging.getLogger("reconciler.runtime")
TOOLS, CALL = "/v1/tools/", "/call"
Handler = Callable[[Request], Awaitable[Response]]


class HotPaths:
    """``exact`` are applications by path; ``call`` answers ``POST /v1/tools/{name}/call``; ``rest`` is the framework."""

    def __init__(self, exact: Mapping[str, ASGIApp], call: Handler, rest: ASGIApp) -> None:
        self._exact, self._call, self._rest = exact, call, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if (app := self._exact.get(path)) is not None:
            await app(scope, receive, send)
        elif (name := _called(path)) and scope["method"] == "POST":
            scope["path_params"] = {"name": name}
            await self._answered(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._call(Request(scope, receive))
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("a call over HTTP failed")
            response = problem(500, "internal-error", "This is a defect of the server.")
        await response(scope, receive, send)


def _called(path: str) -> str:
    """Return the name of the tool that a path calls; "" for any other path."""
    if not (path.startswith(TOOLS) and path.endswith(CALL)):
        return ""
    name = path[len(TOOLS) : -len(CALL)]
    return "" if "/" in name else name
