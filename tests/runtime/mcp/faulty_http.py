"""An MCP server over HTTP that has one fault of the wire, or the one that its test names."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

TOOL = {"name": "look", "inputSchema": {"type": "object"}}
Fault = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One request, and what writes the response to it."""

    server: Faulty
    writer: asyncio.StreamWriter
    headers: dict[str, str]
    message: dict[str, Any]

    @property
    def method(self) -> str:
        return str(self.message.get("method"))

    async def head(self, status: int = 200, kind: str = "application/json", **headers: Any) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def body(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: Any) -> None:
        await self.head(status, kind, Content_Length=len(data), **headers)
        self.writer.write(data)
        await self.writer.drain()

    async def result(self, result: Any, **headers: Any) -> None:
        await self.body(self.answer(result), **headers)

    async def error(self, code: int, status: int = 200) -> None:
        fault = {"jsonrpc": "2.0", "id": self.message["id"], "error": {"code": code, "message": "no"}}
        await self.body(json.dumps(fault).encode(), status)

    def answer(self, result: Any, id: Any = None) -> bytes:
        told = {"jsonrpc": "2.0", "id": self.message.get("id") if id is None else id, "result": result}
        return json.dumps(told).encode()

    async def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def usual(self) -> None:
        """Answer as a server without a fault does."""
        if "id" not in self.message:
            await self.body(b"", 202)
        elif self.method == "server/discover":
            await self.result({"supportedVersions": ["2026-07-28"], "capabilities": {}})
        elif self.method == "tools/list":
            await self.result({"tools": [TOOL]})
        else:
            await self.result({"content": [{"type": "text", "text": "fine"}]})


@dataclass
class Faulty:
    """``faults`` answer requests instead, by their method; each sees how often it was asked in ``asked``."""

    port: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    open: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = (line.partition(":") for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in lines}
                message = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
                exchange = Exchange(self, writer, headers, message)
                self.asked.append(exchange.method)
                self.messages.append(message)
                await self.faults.get(exchange.method, Exchange.usual)(exchange)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serving(**faults: Fault) -> AsyncIterator[Faulty]:
    """Yield a server with faults: ``call`` of tools, ``list``, ``discover``, ``initialize``, ``initialized``."""
    names = {
        "call": "tools/call",
        "list": "tools/list",
        "discover": "server/discover",
        "initialized": "notifications/initialized",
    }
    faulty = Faulty(faults={names.get(name, name): fault for name, fault in faults.items()})
    server = await asyncio.start_server(faulty, "127.0.0.1", 0, limit=2**20)
    faulty.port = server.sockets[0].getsockname()[1]
    try:
        yield faulty
    finally:
        server.close()


async def reset(to: Exchange) -> None:
    """End the connection with a TCP reset, in the middle of an answer."""
    await to.head(Content_Length=1000)
    to.writer.write(b'{"jsonrpc"')
    await to.writer.drain()
    to.writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER of no time
    to.writer.transport.abort()


async def huge(to: Exchange) -> None:
    await to.head(Content_Length=400 * 2**20)
    for _ in range(400):
        to.writer.write(b" " * 2**20)
        await to.writer.drain()


async def huge_event(to: Exchange) -> None:
    await to.head(kind="text/event-stream")
    for _ in range(400):
        to.writer.write(b"data: " + b"x" * 2**20)
        await to.writer.drain()


def _bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(b" " * 2**20) for _ in range(512)), packer.flush()])


BOMB = _bomb()
"""Half a gigabyte, once it is unpacked."""


async def bomb(to: Exchange) -> None:
    await to.body(BOMB, Content_Encoding="gzip")


async def endless(to: Exchange) -> None:
    """Send comments and empty events for ever."""
    await to.head(kind="text/event-stream")
    while True:
        to.writer.write(b": still here\n\ndata:\n\n")
        await to.writer.drain()
        await asyncio.sleep(0.05)


async def wrong_id(to: Exchange) -> None:
    await to.body(to.answer({"content": []}, id=to.message["id"] + 1000))


async def wrong_ids(to: Exchange) -> None:
    await to.head(kind="text/event-stream", Connection="close")
    for id in (0, -1, str(to.message["id"]), True, 1.5, None, [1], {"id": to.message["id"]}):
        told = {"jsonrpc": "2.0", "id": id, "result": {"content": []}}
        to.writer.write(b"data: %b\n\n" % json.dumps(told).encode())
    await to.writer.drain()
    to.writer.close()


async def invalid_bytes(to: Exchange) -> None:
    await to.body(to.answer({"content": [{"type": "text", "text": "?"}]}).replace(b"?", b"\xff\xfe"))


async def redirect(to: Exchange) -> None:
    await to.body(b"", 307, Location=f"http://127.0.0.1:{to.server.port}/elsewhere")


async def silent(to: Exchange) -> None:
    await asyncio.sleep(3600)


async def rude(to: Exchange) -> None:
    """Answer with what is no HTTP."""
    to.writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")
    await to.writer.drain()
    to.writer.close()


async def many_headers(to: Exchange) -> None:
    await to.head(**{f"X-{number}": "x" * 4000 for number in range(500)})


async def accepted(to: Exchange) -> None:
    """Take the request, and answer nothing, as to a notification."""
    await to.body(b"", 202)


async def no_json(to: Exchange) -> None:
    await to.body(b"<html>not me</html>", kind="text/html")


async def deep(to: Exchange) -> None:
    await to.body(b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (to.message["id"], b"[" * 50_000 + b"]" * 50_000))


async def failing(to: Exchange) -> None:
    await to.error(-32603)


async def empty_events(to: Exchange) -> None:
    """A priming event without data, comments, and a notification, before the answer; the stream stays open."""
    await to.head(kind="text/event-stream")
    note = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\r\n\r\n'
    to.writer.write(b"id: 1\nretry: 10\ndata:\n\n: hello\n\nevent: ping\ndata: \n\n" + note)
    to.writer.write(b"event: message\ndata: " + to.answer({"content": []}).replace(b", ", b",\ndata: ") + b"\n\n")
    await to.writer.drain()
    await asyncio.sleep(3600)


async def flood(to: Exchange) -> None:
    """Ten thousand notifications, and requests of the server's own with the id of ours, before the answer."""
    await to.head(kind="text/event-stream", Connection="close")
    for _ in range(10_000):
        to.writer.write(b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n')
        to.writer.write(b'data: {"jsonrpc":"2.0","id":%d,"method":"ping"}\n\n' % to.message["id"])
        await to.writer.drain()
    to.writer.write(b"data: " + to.answer({"content": []}) + b"\n\n")
    await to.writer.drain()
    to.writer.close()
