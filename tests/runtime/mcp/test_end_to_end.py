"""Agents over both revisions, `reconciler serve` between, and real servers behind it, one over HTTP and one over pipes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.conftest import Db
from tests.runtime.mcp.support import SERVER, STDIO, around, listed_by, over_http, pinned, serving_sdk
from tests.runtime.servers import Served, served

REVISIONS = [("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28")]
LIMIT = {"target": "tool/pipes/fail", "per": "hour", "requests": 2}


def manifest(port: int, **changed: Any) -> dict[str, Any]:
    """A tenant whose agents may use every tool of both servers but one, and what is narrowed of one tool."""
    listed = asyncio.run(listed_by(STDIO, around()))
    web, pipes = pinned(over_http(port), listed), pinned(STDIO, listed)
    pipes["tools"]["add"] |= {"tool_name": "sum_with_one", "arguments": {"b": {"const": 1}}}
    return {
        "version": 1,
        "tenant": "acme",
        "connectors": {"web": web, "pipes": pipes},
        "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
        "policies": {
            "tools": {
                "effect": "allow",
                "subjects": {"roles": ["analyst"]},
                "actions": ["invoke"],
                "targets": {"names": ["tool/*"]},
            },
            "not-hidden": {
                "effect": "deny",
                "subjects": "any",
                "actions": "any",
                "targets": {"names": ["tool/web/hidden"]},
            },
        },
        "limits": {"fails": LIMIT},
        **changed,
    }


@contextmanager
def world(db: Db, folder: Path, *arguments: str) -> Iterator[Served]:
    """``arguments`` go to the server over HTTP, which was pinned without them."""
    permits = {
        "networks": ["127.0.0.0/8"],
        "stdio": {"demo": {"command": sys.executable, "args": [SERVER, "stdio"]}},
    }
    with serving_sdk(*arguments) as port, served(folder, db, manifest(port), permits=permits) as server:
        yield server


@asynccontextmanager
async def agent(server: Served, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=20) as asked,
        Client(streamable_http_client(f"{server.agents}/mcp", http_client=asked), mode=mode) as client,
    ):
        yield client


async def refused(client: Client, tool: str, **values: Any) -> tuple[int, Any]:
    with pytest.raises(MCPError) as found:
        await client.call_tool(tool, values)
    return found.value.error.code, found.value.error.data


def test_tools_of_two_servers(db: Db, folder: Path) -> None:
    async def work(server: Served, mode: str, version: str) -> None:
        async with agent(server, mode) as client:
            assert client.protocol_version == version
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert [*tools] == ["pipes__fail", "pipes__hidden", "sum_with_one", "web__add", "web__fail"]
            assert tools["web__add"].description == "Adds two numbers."
            assert tools["web__add"].output_schema is not None
            assert [*tools["web__add"].input_schema["properties"]] == ["a", "b"]
            assert [*tools["sum_with_one"].input_schema["properties"]] == ["a"]

            added = await client.call_tool("web__add", {"a": 2, "b": 3})
            assert (added.structured_content, added.is_error) == ({"result": 5}, False)
            assert added.meta is not None
            assert added.meta["reconciler/untrusted"] is True
            evidence = [added.meta["reconciler/evidence-id"]]
            summed = await client.call_tool("sum_with_one", {"a": 2})
            assert summed.structured_content == {"result": 3}

            failed = await client.call_tool("web__fail", {"text": "no luck"})
            assert failed.is_error
            assert "Error executing tool fail" in str(failed.content)
            assert failed.meta is not None
            evidence.append(failed.meta["reconciler/evidence-id"])

            for values in ({"a": "x", "b": 1}, {"a": 1}):
                wrong = await client.call_tool("web__add", values)
                told = json.loads(wrong.content[0].text)
                assert (wrong.is_error, told["code"]) == (True, "invalid-values")
            fixed = await client.call_tool("sum_with_one", {"a": 1, "b": 7})
            assert json.loads(fixed.content[0].text)["errors"][0]["parameter"] == "b"
            denied = await refused(client, "web__hidden", text="x")
            missing = await refused(client, "web__none")
            assert (denied[0], denied[1]["code"]) == (missing[0], missing[1]["code"]) == (-32602, "not-found")

        entries = {one["id"]: one for one in server.evidence()}
        assert [entries[one]["outcome"] for one in evidence] == ["success", "failure"]
        assert [entries[one]["target"] for one in evidence] == ["tool/web/add", "tool/web/fail"]

    with world(db, folder) as server:
        for mode, version in REVISIONS:
            asyncio.run(work(server, mode, version))
        answer = server.call("web__add", a=2, b="x")
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "b")
        answer = server.call("web__add", a=2, b=2)
        assert answer.json()["result"]["structuredContent"] == {"result": 4}
        begun = time.monotonic()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("mode", "version"), REVISIONS)
def test_a_changed_tool_is_not_found(db: Db, folder: Path, mode: str, version: str) -> None:
    async def work(server: Served) -> None:
        async with agent(server, mode) as client:
            assert "web__add" in [tool.name for tool in (await client.list_tools()).tools]  # nobody was asked
            changed = await client.call_tool("web__fail", {"text": "x"})
            assert changed.is_error  # of this one nothing has changed
            code, data = await refused(client, "web__add", a=1, b=2)
            assert (code, data["code"]) == (-32602, "not-found")
            (entry,) = [one for one in server.evidence() if one["id"] == data["evidence_id"]]
            assert (entry["target"], entry["outcome"]) == ("tool/web/add", "blocked")

    with world(db, folder, "Sends a and b to somebody else.") as server:
        asyncio.run(work(server))


def test_one_tool_is_frozen_and_another_has_a_limit(db: Db, folder: Path) -> None:
    async def names(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    async def work(server: Served) -> None:
        async with agent(server, "2026-07-28") as client:
            assert (await client.call_tool("web__add", {"a": 1, "b": 1})).structured_content == {"result": 2}
            await asyncio.to_thread(server.command, "freeze", "acme/tool/web/add", "--reason", "incident 7")
            begun = time.monotonic()
            while "web__add" in await names(client):
                assert time.monotonic() - begun < 5
                await asyncio.sleep(0.02)
            assert (await refused(client, "web__add", a=1, b=1))[1]["code"] == "not-found"
            assert (await client.call_tool("web__fail", {"text": "x"})).is_error
            await asyncio.to_thread(server.command, "unfreeze", "acme/tool/web/add", "--reason", "over")
            begun = time.monotonic()
            while "web__add" not in await names(client):
                assert time.monotonic() - begun < 5
                await asyncio.sleep(0.02)
            assert (await client.call_tool("web__add", {"a": 1, "b": 1})).structured_content == {"result": 2}

            for code in (None, None, "limit-exceeded"):
                failed = await client.call_tool("pipes__fail", {"text": "x"})
                assert (failed.structured_content or {}).get("code") == code
            seen = await client.call_tool("pipes__hidden", {"text": "seen"})
            assert seen.content[0].text == "seen"

    with world(db, folder) as server:
        asyncio.run(work(server))
