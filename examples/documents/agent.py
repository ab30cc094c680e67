"""An agent with one MCP server: it searches, reads a report, tries what is none of its business, and sends a message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

KEY = (Path(__file__).parent / "data" / "agent.key").read_text().strip()
SLACK = "http://127.0.0.1:8768/slack"


async def received(http: httpx.AsyncClient) -> list[str]:
    """What Slack has got; a message is delivered within seconds."""
    for _ in range(100):
        if messages := (await http.get(SLACK)).json():
            return messages
        await asyncio.sleep(0.2)
    return []


async def main() -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient() as plain,
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client("http://127.0.0.1:8766/mcp", http_client=http)) as client,
    ):

        async def call(tool: str, **values: Any) -> Any:
            return json.loads((await client.call_tool(tool, values)).content[0].text)

        print("tools:", [tool.name for tool in (await client.list_tools()).tools])
        found = await call("find-docs", question="Can I get a refund for goods?")
        print("find-docs:", [one["payload"]["title"] for one in found])
        report = await call("read-report", year=2026, month="october")
        print("read-report:", report["text"].split())
        for month in ("../../board", "november"):
            print(f"{month}:", (await call("read-report", year=2026, month=month))["code"])
        for _ in range(2):
            print("tell-sales:", (await call("tell-sales", subject="October", text="<b>2100</b> in all"))["status"])
        print("Slack:", await received(plain))


asyncio.run(main())
