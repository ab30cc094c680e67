"""MCP over stdin and stdout: bounded lines, bounded work, cancelled requests, an orderly end."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from reconciler.runtime.call import Answer, Call
from reconciler.runtime.surfaces.guard import MOST_BYTES
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_stdio import MOST_RUNNING, Stdio, lines_of
from tests.conftest import Db
from tests.runtime.surfaces.support import MODERN, modern, request
from tests.runtime.worlds import BOT, World, in_world, outcomes


class Terminal:
    """Both ends of a stdio server."""

    def __init__(self, world: World) -> None:
        self._written = io.BytesIO()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task = asyncio.create_task(Stdio(Mcp(world.mediator), BOT, self._written).serve(self._read()))

    async def _read(self) -> AsyncIterator[bytes | None]:
        while (line := await self._lines.get()) != b"":
            yield line

    def send(self, *messages: Any) -> None:
        for one in messages:
            self._lines.put_nowait(one if isinstance(one, bytes) or one is None else json.dumps(one).encode() + b"\n")

    async def end(self) -> dict[Any, Any]:
        """Return every answer by its id, once stdin has ended."""
        self._lines.put_nowait(b"")
        await asyncio.wait_for(self._task, 10)
        answers = [json.loads(line) for line in self._written.getvalue().splitlines()]
        return {one["id"]: one.get("result", one.get("error")) for one in answers}


def call(id: Any) -> dict[str, Any]:
    return request("tools/call", id, name="top", arguments={"region": "eu"})


def test_both_eras_on_one_pipe(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        terminal = Terminal(world)
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        terminal.send(request("initialize", 1, **client), {"jsonrpc": "2.0", "method": "notifications/initialized"})
        terminal.send(call("a"), modern("tools/list", 2), modern("server/discover", 3), b"\n")
        terminal.send(
            {**modern("tools/list", 4), "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "x"}}}
        )
        terminal.send(modern("initialize", 5, protocolVersion="2025-11-25"), modern("ping", 6))
        got = await terminal.end()
        assert got[1]["protocolVersion"] == got[5]["protocolVersion"] == "2025-11-25"
        assert got["a"]["structuredContent"]["result"] == [{"name": "Ann"}]
        assert [tool["name"] for tool in got[2]["tools"]] == ["add", "top"]
        assert got[3]["supportedVersions"] == [MODERN]
        assert (got[4]["code"], got[6]["code"]) == (-32602, -32601)

    in_world(db, folder, work)


def test_what_is_no_message_is_answered_by_its_id(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        terminal = Terminal(world)
        terminal.send(b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"a": NaN}}\n', b"\xff\n", None)
        terminal.send(b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping", "method": "x"}\n', request("ping", 9))
        got = await terminal.end()
        assert (got[7]["code"], got[9]) == (-32700, {})
        assert {*got} == {7, 9, None}

    in_world(db, folder, work)


def test_a_cancelled_request_ends_and_gets_no_answer(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        async def hangs(_call: Call) -> Answer:
            await asyncio.sleep(60)
            raise AssertionError

        world.outside.does = hangs
        terminal = Terminal(world)
        terminal.send(call(1), call("1"), request("ping", 2))
        await world.until(lambda: len(world.outside.seen) == 2)
        for id in (True, 1.0, None, [], 99):
            terminal.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
        await asyncio.sleep(0.05)
        assert len(world.ledger.open) == 2
        for id in (1, "1"):
            terminal.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
        assert await terminal.end() == {2: {}}
        assert outcomes(await world.evidence()) == [("allow", "failure")] * 2

    in_world(db, folder, work)


def test_no_more_runs_at_once_than_is_bounded(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        gate = asyncio.Event()

        async def waits(_call: Call) -> Answer:
            await gate.wait()
            return Answer([], 0, 2)

        world.outside.does = waits
        terminal = Terminal(world)
        terminal.send(*(call(number) for number in range(MOST_RUNNING + 10)))
        await world.until(lambda: len(world.outside.seen) == MOST_RUNNING)
        await asyncio.sleep(0.05)
        assert len(world.outside.seen) == MOST_RUNNING
        gate.set()
        assert {*await terminal.end()} == {*range(MOST_RUNNING + 10)}

    in_world(db, folder, work)


def test_lines_are_bounded() -> None:
    longest = b"x" * (MOST_BYTES - 1) + b"\n"

    async def read() -> list[bytes | None]:
        text = io.BytesIO(b"a\n" + longest + b"y" * (3 * MOST_BYTES) + b"\nb\r\n" + b"z" * (MOST_BYTES + 5))
        return [line async for line in lines_of(text)]

    assert asyncio.run(read()) == [b"a\n", longest, None, b"b\r\n", None]
