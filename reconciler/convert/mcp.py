"""MCP servers turned into connectors: the JSON of desktop clients and editors, and the files of the Docker registry."""

from __future__ import annotations

from reconciler.convert import mcp_client, mcp_registry
from reconciler.convert.conversion import Conversion, NotOfThisFormat

RESTRICTIONS = (*mcp_client.RESTRICTIONS, *mcp_registry.RESTRICTIONS)
PIN = "pin next: reconciler mcp pin --write"


def convert(conversion: Conversion) -> None:
    """Convert a file of MCP, whose keys tell what it is. Raises NotOfThisFormat."""
    for document in conversion.documents:
        servers = mcp_client.servers_of(document)
        if servers is not None:
            mcp_client.convert(conversion, document, servers)
        elif isinstance(document.value, dict) and {"name", "type"} <= document.value.keys():
            mcp_registry.convert(conversion, document)
        else:
            expected = "expected `mcpServers` (or `servers`), or a registry's `name` and `type`"
            raise NotOfThisFormat(expected, document.path)
    for draft in conversion.drafts:
        named = (
            "until it is pinned"
            if draft.body.get("tools")
            else "until `tools` lists it and it is pinned: the input names none"
        )
        draft.made_of[0].note(f"no tool may be called {named}; {PIN}")
