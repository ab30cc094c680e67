"""`reconciler` with a stream of events at GET /mcp, which no surface offers yet: run as a module, with a command line's arguments."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from reconciler.cli import main
from reconciler.runtime.surfaces.mcp_http import McpOverHttp

_otherwise = McpOverHttp.__call__


async def _call(self: McpOverHttp, scope: Any, receive: Any, send: Any) -> None:
    if scope["method"] != "GET":
        await _otherwise(self, scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while True:
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    McpOverHttp.__call__ = _call  # type: ignore[method-assign]
    main(sys.argv[1:])
