"""A server of the official SDK whose one tool returns what came with the call of the trace: `python tracing_server.py PORT`."""

import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("traced")


@server.tool()
def seen(text: str, ctx: Context) -> dict[str, str]:
    """Returns the trace of `_meta`, and the one of the HTTP request."""
    meta = ctx.request_context.meta or {}
    headers = ctx.headers or {}
    return {"meta": str(meta.get("traceparent", "")), "header": str(headers.get("traceparent", ""))}


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
