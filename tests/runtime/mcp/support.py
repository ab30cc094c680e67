"""Calls of tools by way of a connector, without a server of ours around them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from reconciler.access.resource import Resource
from reconciler.access.snapshot import snapshot_of
from reconciler.access.target import Target
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.runtime.call import Answer, Call, Permits, StdioPermit, Surroundings
from reconciler.runtime.connectors.mcp import open_mcp
from reconciler.runtime.mcp.client import Listed

SERVER = str(Path(__file__).parent / "server.py")
LOOPBACK = (ip_network("127.0.0.0/8"),)


@contextmanager
def serving_sdk(*arguments: str, server: str = SERVER) -> Iterator[int]:
    """Yield the port of a real server over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, server, str(number), *arguments], stdout=-3, stderr=-3)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.1)
        yield number
    finally:
        process.kill()
        process.wait()


async def nothing(_tenant: str, _reference: str) -> str:
    raise AssertionError("nobody asks for a secret")


def around(*arguments: str, **more: Any) -> Surroundings:
    permit = StdioPermit("demo", sys.executable, (SERVER, "stdio", *arguments), **more)
    return Surroundings(nothing, nothing, Permits(LOOPBACK, stdio={"demo": permit}))


STDIO: dict[str, Any] = {"type": "mcp", "transport": "stdio", "command": "demo"}


def over_http(port: int) -> dict[str, Any]:
    exceptions = [{"cidr": "127.0.0.0/8", "port": port}]
    url = f"http://127.0.0.1:{port}/mcp"
    return {"type": "mcp", "transport": "streamable_http", "url": url, "network_exceptions": exceptions}


def target(raw: dict[str, Any], tool: str) -> Target:
    address = Address("acme", "connector", "demo")
    spec = parse(KINDS["connector"], raw, address)
    assert isinstance(spec, Spec), spec
    known = Known(address, "uid", Text(canonical(spec.normalised()), 1), "p1", True)
    found = snapshot_of([known]).tenant("acme").target(f"tool/demo/{tool}")
    assert isinstance(found, Target), found
    return found


def pinned(raw: dict[str, Any], listed: Listed) -> dict[str, Any]:
    tools = {name: {"pin": one.digest, "definition": {**one.members}} for name, one in listed.tools.items()}
    return {**raw, "tools": tools}


Run = Callable[..., Awaitable[Answer]]


@asynccontextmanager
async def calling(raw: dict[str, Any], beside: Surroundings, seen: Listed | None = None) -> AsyncIterator[Run]:
    """Yield what calls a tool by way of the connector, as its server, or another one, was pinned."""
    whole = parse(KINDS["connector"], raw, Address("acme", "connector", "demo"))
    assert isinstance(whole, Spec)
    body = Known(Address("acme", "connector", "demo"), "uid", None, "p1", True)
    connection: Any = await open_mcp("acme", Resource(body, whole.normalised()), beside)
    try:
        listed = seen or await (await connection.way(None)).client.tools()

        async def run(tool: str, values: dict[str, Any], seconds: float = 20) -> Answer:
            deadline = asyncio.get_running_loop().time() + seconds
            answer: Answer = await connection.run(Call(target(pinned(raw, listed), tool), values, deadline))
            return answer

        yield run
    finally:
        await connection.close()


async def listed_by(raw: dict[str, Any], beside: Surroundings) -> Listed:
    """Return what a connector's server lists."""
    spec = parse(KINDS["connector"], raw, Address("acme", "connector", "demo"))
    assert isinstance(spec, Spec)
    known = Known(Address("acme", "connector", "demo"), "uid", None, "p1", True)
    connection: Any = await open_mcp("acme", Resource(known, spec.normalised()), beside)
    try:
        found: Listed = await (await connection.way(None)).client.tools()
        return found
    finally:
        await connection.close()
