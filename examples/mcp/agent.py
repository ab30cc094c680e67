"""An agent as any framework would write it: one MCP server, behind which are two others; one call waits for a person."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

FOLDER = Path(__file__).parent
KEY = (FOLDER / "data" / "agent.key").read_text().strip()
MODE = sys.argv[1] if len(sys.argv) > 1 else "auto"
"""`legacy` for the revision 2025-11-25 of the protocol; otherwise the newest."""


def approve(approval: str) -> None:
    """What an operator does in a terminal of their own."""
    store = ["--store", "sqlite:///.reconciler/runtime.db"]
    environment = {**os.environ, "RECONCILER_KEY_FILE": str(FOLDER.absolute() / "data" / "keys.json")}
    command = ["reconciler", "approvals", "approve", approval, "--reason", "planned for this week", *store]
    subprocess.run(command, cwd=FOLDER, env=environment, stdout=subprocess.DEVNULL, check=True)


async def main() -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client("http://127.0.0.1:8766/mcp", http_client=http), mode=MODE) as client,
    ):
        print("tools:", [tool.name for tool in (await client.list_tools()).tools])
        time = await client.call_tool("time_in", {"timezone": "Asia/Tokyo"})
        print("time_in:", json.loads(time.content[0].text)["timezone"])
        converted = await client.call_tool("clock__convert_time", {"time": "12:00", "target_timezone": "Asia/Tokyo"})
        print("convert_time:", json.loads(converted.content[0].text)["time_difference"])
        log = await client.call_tool("code__git_log", {"max_count": 1})
        print("git_log:", "Begin" in log.content[0].text)
        asked = await client.call_tool("code__git_create_branch", {"branch_name": f"feature-{os.getpid()}"})
        waiting = json.loads(asked.content[0].text)
        print("git_create_branch:", waiting["status"])
        await asyncio.to_thread(approve, waiting["approval_id"])
        done = await client.call_tool("approved_call", {"approval_id": waiting["approval_id"]})
        print("approved_call:", done.content[0].text.partition(" '")[0])
        again = await client.call_tool("approved_call", {"approval_id": waiting["approval_id"]})
        print("once more:", again.structured_content["code"])


asyncio.run(main())
