"""MCP spoken outwards: to the servers of tools that connectors of type `mcp` name."""
