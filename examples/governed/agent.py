"""An agent as any framework would write it: an MCP client with a key, that lists its tools and calls them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

KEY = (Path(__file__).parent / "data" / "agent.key").read_text().strip()


async def main() -> None:
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client,
        streamable_http_client("http://127.0.0.1:8765/mcp", http_client=client) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        print("tools:", [tool.name for tool in (await session.list_tools()).tools])
        result = await session.call_tool("top-customers", {"region": "eu"})
        print("top-customers:", result.structured_content["result"])
        try:
            await session.call_tool("salaries", {})
        except MCPError as error:
            print("salaries:", error)


asyncio.run(main())
