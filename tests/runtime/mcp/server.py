"""A real MCP server of the official SDK: `python server.py stdio`, or `python server.py PORT`; a third word changes a tool."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("demo")


@server.tool(description="Adds two numbers." if len(sys.argv) < 3 else sys.argv[2])
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
def fail(text: str) -> str:
    """Fails."""
    raise ValueError(text)


@server.tool()
def hidden(text: str) -> str:
    """Returns the text with a tag character."""
    return f"{text}\U000e0041"


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
