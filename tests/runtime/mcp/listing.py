"""A real MCP server of the official SDK that lists what a file of JSON says, read anew for each list.

`python listing.py FILE stdio`, or `python listing.py FILE PORT`.
"""

import json
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.types import Tool


class Listing(MCPServer):
    async def list_tools(self) -> list[Tool]:
        return [Tool.model_validate(one) for one in json.loads(Path(sys.argv[1]).read_text())]


server = Listing("listing", version="1.3.0")
if sys.argv[2] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
