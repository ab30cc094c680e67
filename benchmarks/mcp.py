"""What the wire to tool servers costs, beside the official SDK's client, against one server of the SDK, in one run.

    python -m benchmarks.mcp

Prints a table: what one call costs this process (processor time) and how long it takes, the least of several rounds, and the ratios to
the SDK's client on the same transport; then what it takes to list 500 tools, and to find one among 1,000.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from reconciler.access.judge import surface
from reconciler.access.resource import Resource
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.known import Known
from reconciler.model.spec import Spec
from reconciler.runtime.connectors.mcp import channel_of
from reconciler.runtime.mcp.client import Client as OwnClient
from reconciler.runtime.surfaces.offer import listing
from reconciler.runtime.surfaces.search import index_of
from tests.runtime.mcp.support import SERVER, STDIO, around, over_http, serving_sdk
from tests.runtime.surfaces.test_offer import many
from tests.runtime.worlds import BOT

ROUNDS, CALLS = 7, 100
VALUES = {"a": 1, "b": 2}


async def milliseconds(call: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Return the processor time and the time of one call, in the best of several rounds of calls one after the other."""
    await call()
    rounds = []
    for _ in range(ROUNDS):
        used, begun = time.process_time(), time.perf_counter()
        for _ in range(CALLS):
            await call()
        rounds.append((time.process_time() - used, time.perf_counter() - begun))
    used, took = map(min, zip(*rounds, strict=True))
    return used / CALLS * 1000, took / CALLS * 1000


async def ours(raw: dict[str, Any]) -> tuple[float, float]:
    spec = parse(KINDS["connector"], raw, Address("acme", "connector", "demo"))
    assert isinstance(spec, Spec)
    known = Known(Address("acme", "connector", "demo"), "uid", None, "p1", True)
    client = OwnClient(await channel_of("acme", Resource(known, spec.normalised()), around()))
    try:
        deadline = asyncio.get_running_loop().time() + 600
        return await milliseconds(lambda: client.call("add", VALUES, {}, deadline, 2**20))
    finally:
        await client.close()


async def sdk(transport: Any) -> tuple[float, float]:
    async with Client(transport) as client:
        return await milliseconds(lambda: client.call_tool("add", VALUES))


def once(work: Callable[[], Any]) -> float:
    """Return the least milliseconds of several runs."""
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return min(took) * 1000


def main() -> None:
    with serving_sdk() as port:
        pairs = {
            "HTTP": (over_http(port), lambda: streamable_http_client(f"http://127.0.0.1:{port}/mcp")),
            "pipes": (STDIO, lambda: StdioServerParameters(command=sys.executable, args=[SERVER, "stdio"])),
        }
        print(
            "| one call | processor, ms | SDK's client | ratio | with the server, ms | SDK's client |\n"
            + "|---" * 6
            + "|"
        )
        for name, (raw, transport) in pairs.items():
            own, theirs = asyncio.run(ours(raw)), asyncio.run(sdk(transport()))
            print(
                f"| over {name} | {own[0]:.2f} | {theirs[0]:.2f} | {own[0] / theirs[0]:.2f} | {own[1]:.2f} | {theirs[1]:.2f} |"
            )
    tenant, larger = many(500), surface(many(1000), None, BOT)
    tools = surface(tenant, None, BOT)
    index = index_of(larger)
    print("\n| tools | ms |\n|---|---|")
    print(f"| decide which of 500 a caller may list | {once(lambda: surface(tenant, None, BOT)):.2f} |")
    print(f"| write their list, once for each set of them | {once(lambda: listing(tools)):.2f} |")
    print(f"| find five among 1,000 | {once(lambda: index.find('close the invoice of system 7', 5)):.2f} |")


if __name__ == "__main__":
    main()
