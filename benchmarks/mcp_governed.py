"""What `serve` costs before MCP servers: a governed call beside the bare SDK, many idle servers, and calls beside a faulty server.

    python -m benchmarks.mcp_governed

Prints ratios, each of two figures of one run on one machine, in rounds that take turns; the least of the rounds for processor time.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from reconciler.runtime.call import Failed
from tests.conftest import Db
from tests.runtime.mcp import faulty_http as faults
from tests.runtime.mcp.faulty_http import serving
from tests.runtime.mcp.support import SERVER, around, calling, listed_by, over_http, pinned, serving_sdk
from tests.runtime.servers import Served, served, world_with_data

ROUNDS, CALLS = 5, 100
VALUES = {"a": 1, "b": 2}
FAULTS: tuple[faults.Fault, ...] = (
    *(faults.reset, faults.huge, faults.bomb, faults.endless, faults.silent),
    *(faults.invalid_bytes, faults.flood, faults.deep),
)


def used(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def sdk_server(port: int) -> psutil.Process:
    """Return the process that listens at a port."""
    for one in psutil.Process().children(recursive=True):
        if SERVER in one.cmdline() and str(port) in one.cmdline():
            return one
    raise AssertionError


def document(folder: Path, connectors: dict[str, Any]) -> dict[str, Any]:
    found = world_with_data(folder)
    found["connectors"] |= connectors
    allow = {"effect": "allow", "subjects": {"roles": ["analyst"]}, "actions": "any", "targets": {"names": ["tool/*"]}}
    found["policies"] = {"tools": allow}
    return found


@contextmanager
def serve(connectors: dict[str, Any]) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "work"
        folder.mkdir()
        with served(folder, Db(f"sqlite:///{name}/state.db"), document(folder, connectors)) as server:
            yield server


def governed(port: int) -> None:
    """A call by way of `serve`, whose agent speaks plain HTTP, beside one of the SDK's client: the same server of the SDK."""
    web = pinned(over_http(port), asyncio.run(listed_by(over_http(port), around()))) | {"rate_limit": 10_000}
    params = {"name": "web__add", "arguments": VALUES}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    ours, bare, took, took_bare = [], [], [], []
    with serve({"web": web}) as server, server.client() as agent:
        process, behind = psutil.Process(server.process.pid), sdk_server(port)

        async def sdk() -> None:
            async with Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp")) as client:
                await client.call_tool("add", VALUES)
                cpu, begun = used(behind) + time.process_time(), time.perf_counter()
                for _ in range(CALLS):
                    await client.call_tool("add", VALUES)
                took_bare.append((time.perf_counter() - begun) / CALLS)
                bare.append((used(behind) + time.process_time() - cpu) / CALLS)

        for _ in range(ROUNDS + 1):
            cpu, begun = used(process), time.perf_counter()
            for _ in range(CALLS):
                while "unavailable" in (answer := agent.post("/mcp", json=message)).text:
                    pass  # the disk of a busy machine took too long for the evidence of this call
                assert answer.json()["result"]["structuredContent"] == {"result": 3}, answer.text
            took.append((time.perf_counter() - begun) / CALLS)
            ours.append((used(process) - cpu) / CALLS)
            asyncio.run(sdk())
    print("| a call of a tool | processor, ms | time, ms |\n|---|---|---|")
    print(f"| governed: `serve` alone, and the whole call | {min(ours[1:]) * 1e3:.2f} | {min(took[1:]) * 1e3:.2f} |")
    print(f"| bare: client and server of the SDK | {min(bare[1:]) * 1e3:.2f} | {min(took_bare[1:]) * 1e3:.2f} |")
    print(f"| ratio | {min(ours[1:]) / min(bare[1:]):.2f} | {min(took[1:]) / min(took_bare[1:]):.2f} |")


def idle(port: int, count: int) -> None:
    """What so many connectors of MCP cost that nobody calls."""
    tools = asyncio.run(listed_by(over_http(port), around()))
    found = []
    for number in (1, count):
        with serve({f"c{one}": pinned(over_http(port), tools) for one in range(number)}) as server:
            time.sleep(3)
            process = psutil.Process(server.process.pid)
            connections = [one for one in process.net_connections() if one.raddr and one.raddr.port == port]
            found.append((process.memory_info().rss / 2**20, len(connections)))
    (few, _), (many, connections) = found
    print(f"\n{count} idle servers: {connections} connections, {many - few:.1f} MiB more than one")


@asynccontextmanager
async def another(fault: faults.Fault) -> AsyncIterator[int]:
    """Yield the port of a faulty server in a process of its own."""
    command = (sys.executable, "-m", "benchmarks.mcp_governed", fault.__name__)
    process = await asyncio.create_subprocess_exec(  # noqa: TID251 (no part of the runtime)
        *command, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def serve_fault(name: str) -> None:
    async with serving(call=getattr(faults, name)) as server:
        print(server.port, flush=True)
        await asyncio.sleep(3600)


async def beside() -> None:
    """Median and 99th percentile of calls to a healthy server, alone and beside each fault, in turns; the least of the rounds."""
    print("\n| beside | median, ms | alone | ratio | p99, ms | alone | ratio |" + "\n" + "|---" * 7 + "|")

    async def percentiles(call: Callable[[], Any]) -> tuple[float, float]:
        took = []
        for _ in range(200):
            begun = time.perf_counter()
            await call()
            took.append(time.perf_counter() - begun)
        cut = statistics.quantiles(took, n=100)
        return cut[49] * 1e3, cut[98] * 1e3

    with serving_sdk() as port:
        async with calling(over_http(port), around()) as healthy:
            for fault in FAULTS:
                async with another(fault) as bad, calling(over_http(bad), around()) as faulty:

                    async def disturb(run: Any = faulty) -> None:
                        while True:
                            try:
                                await run("look", {}, seconds=1.0)
                            except Failed:
                                await asyncio.sleep(0.01)

                    alone, found = [], []
                    for _ in range(5):
                        alone.append(await percentiles(lambda: healthy("add", VALUES)))
                        task = asyncio.create_task(disturb())
                        found.append(await percentiles(lambda: healthy("add", VALUES)))
                        task.cancel()
                        await asyncio.wait({task})
                    pairs = [*zip(map(min, zip(*found, strict=True)), map(min, zip(*alone, strict=True)), strict=True)]
                    told = " | ".join(f"{one:.1f} | {other:.1f} | {one / other:.2f}" for one, other in pairs)
                    print(f"| {fault.__name__} | {told} |", flush=True)


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(serve_fault(sys.argv[1]))
        return
    with serving_sdk() as port:
        governed(port)
        idle(port, 1000)
    asyncio.run(beside())


if __name__ == "__main__":
    main()
