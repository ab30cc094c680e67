"""What the door does with answers: a head goes out with its body, and a connection that rests is closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from reconciler.load.serve_file import DoorSettings
from reconciler.runtime import connections, door

GET = b"%s / HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
Send = Callable[[Any], Awaitable[None]]


def answering(*messages: Any) -> Any:
    async def app(_scope: Any, receive: Any, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes]) -> Any:
    return {"type": "http.response.start", "status": 200, "headers": [*headers]}


def body(text: bytes, more: bool = False) -> Any:
    return {"type": "http.response.body", "body": text, "more_body": more}


LENGTH = (b"content-length", b"6")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def pieces(app: Any, request: bytes, monkeypatch: pytest.MonkeyPatch, wait: float = 0.1) -> tuple[list[bytes], bool]:
    """Return what was written as an answer, in the pieces in which it was, and whether the connection was closed then."""
    written: list[bytes] = []
    before = door.Joined.__init__

    class Noting:
        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def write(self, data: bytes) -> None:
            written.append(data)
            self._transport.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transport, name)

    def noted(self: door.Joined, cycle: Any) -> None:
        cycle.transport = Noting(cycle.transport)
        before(self, cycle)

    monkeypatch.setattr(door.Joined, "__init__", noted)

    async def main() -> bool:
        all_ = connections.Connections(DoorSettings(), lambda _code: None)
        config = uvicorn.Config(app, log_config=None, ws="none")
        made = door.door(all_)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: made(config=config, server_state=ServerState(), app_state={}), "127.0.0.1"
        )
        sweeping = asyncio.create_task(all_.sweeping())
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request)
        await asyncio.sleep(wait)
        await asyncio.wait_for(reader.read(65536), 5)
        closed = reader.at_eof()
        if not closed:
            try:
                closed = await asyncio.wait_for(reader.read(65536), wait) == b""
            except TimeoutError:
                closed = False
        writer.close()
        server.close()
        sweeping.cancel()
        return closed

    closed = asyncio.run(main())
    return written, closed


CASES = [
    (b"GET", [start(LENGTH), body(b"abcdef")], [HEAD + b"abcdef"]),
    (b"GET", [start(LENGTH), body(b"abc", True), body(b"def")], [HEAD + b"abc", b"def"]),
    (b"HEAD", [start(LENGTH), body(b"")], [HEAD]),
    (b"GET", [start(), body(b"abc", True), body(b"")], [CHUNKED, b"3\r\nabc\r\n", b"0\r\n\r\n"]),
    (b"GET", [start(LENGTH)], [HEAD]),
]


@pytest.mark.parametrize(("method", "messages", "expected"), CASES)
def test_a_head_goes_out_with_its_body(
    method: bytes, messages: list[Any], expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    written, closed = pieces(answering(*messages), GET % (method, b""), monkeypatch)
    assert written == expected
    assert closed == (len(messages) == 1)  # what has no end is cut


@pytest.mark.parametrize("seconds", [0.2, 60.0])
def test_a_connection_that_rests_is_closed(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "IDLE_SECONDS", seconds)
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.05)
    _, closed = pieces(answering(start(LENGTH), body(b"abcdef")), GET % (b"GET", b""), monkeypatch, 1.0)
    assert closed == (seconds < 1)
