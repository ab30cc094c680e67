"""The transport over pipes: a child process, one message a line, answers told apart by their ids."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from itertools import count
from typing import Any

from reconciler.runtime.call import Failed
from reconciler.runtime.mcp.channel import TELL_SECONDS, NotSpoken
from reconciler.runtime.mcp.messages import (
    ENDS,
    Head,
    Server,
    answer_in,
    head_of,
    notification,
    reader_of,
    refusal_of,
    request,
)
from reconciler.runtime.mcp.processes import Processes, Started
from reconciler.runtime.threads import aside
from reconciler.strict_json import NotStrict

PIECE = 64 * 1024
RING = 64 * 1024
"""Bytes of a server's stderr that are kept, for nobody but a debugger: they never reach our log."""
PROBE_SECONDS = 5.0
"""How long an older server may keep silent on a request that it does not know."""
MOST_SKIPPED = 64 * 2**20
"""Bytes of one line that are thrown away before the server is given up."""
MOST_UNREAD = 2**20
"""Bytes that wait for a server to read them; with more it is asked nothing."""
IDLE_BYTES, PAUSE_SECONDS = 2**20, 0.01
"""After so much that answers nobody, a server's output is read in pieces with this pause: it has to wait, and no call does."""
_CHANGED = "notifications/tools/list_changed"


class StdioChannel:
    """A process that serves until it ends; what waits then fails."""

    def __init__(self, reached: str, started: Started, processes: Processes, most: int) -> None:
        self.reached, self.changed = reached, False
        self._started, self._processes = started, processes
        self._longest = most + PIECE
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._ids = count(1)
        self._idle = 0
        self._stderr = b""
        self._tasks = [asyncio.create_task(self._reading()), asyncio.create_task(self._ring())]

    @property
    def has_ended(self) -> bool:
        """Whether the process answers nobody any more."""
        return self._tasks[0].done()

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        server: Server | None,
        deadline: float,
        most: int,
        headers: Mapping[str, str],
    ) -> tuple[dict[str, Any], str]:
        loop = asyncio.get_running_loop()
        is_probe = server is None and method == "server/discover"
        if is_probe:
            deadline = min(deadline, loop.time() + PROBE_SECONDS)
        identity = next(self._ids)
        waiting = self._waiting[identity] = loop.create_future()
        try:
            async with asyncio.timeout_at(deadline):
                await self._send(request(identity, method, params))
                line = await waiting
                if len(line) > most:
                    raise Failed("too-large", "the response is larger than allowed", "")
                message = await aside(len(line), reader_of(method), line)
        except TimeoutError:
            if is_probe:
                raise NotSpoken from None
            self._cancel(identity, server)
            raise Failed("timeout", "it took too long", "timeout") from None
        except asyncio.CancelledError:
            self._cancel(identity, server)
            raise
        except NotStrict as error:
            raise Failed("invalid-response", f"the server's answer is no strict JSON: {error}", "") from None
        finally:
            self._waiting.pop(identity, None)
        found = answer_in(message, identity)
        if found is None:
            raise Failed("invalid-response", "the server's answer is no result", "")
        return found, ""

    async def tell(self, method: str, server: Server) -> None:
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self._send(notification(method, {}))
        except TimeoutError:
            raise Failed("timeout", "it took too long", "timeout") from None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail()
        await self._processes.end(self._started)

    def _cancel(self, identity: int, server: Server | None) -> None:
        """Tell the server that nobody waits for an answer any more; `initialize` can't be taken back."""
        if server is not None:
            with contextlib.suppress(Failed):
                self._write(notification("notifications/cancelled", {"requestId": identity}))

    async def _send(self, line: bytes) -> None:
        pipe = self._write(line)
        try:
            await pipe.drain()
        except (OSError, RuntimeError):
            raise Failed("unreachable", "the server has ended", "") from None

    def _write(self, line: bytes) -> asyncio.StreamWriter:
        """Write a line that goes out when the server reads. Raises Failed where nothing was written."""
        pipe = self._started.process.stdin
        if self.has_ended or pipe is None or pipe.is_closing():
            raise Failed("unreachable", "the server has ended", "blocked")
        if pipe.transport.get_write_buffer_size() > MOST_UNREAD:
            raise Failed("overloaded", "the server does not read what it is asked", "blocked")
        try:
            pipe.write(line + b"\n")
        except (OSError, RuntimeError):
            raise Failed("unreachable", "the server has ended", "") from None
        return pipe

    async def _reading(self) -> None:
        """Read lines until there are no more, or one that does not end: what comes behind it could be anything."""
        pipe = self._started.process.stdout
        assert pipe is not None
        rest = _Rest(self._longest)
        try:
            while piece := await pipe.read(PIECE):
                for line in rest.lines(piece):
                    await self._take(line)
                if rest.skipped > MOST_SKIPPED:
                    break
                if self._idle > IDLE_BYTES:
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._fail()

    async def _take(self, line: _Line) -> None:
        """Hand an answer to who waits for it; answer or pass over anything else."""
        head = await aside(len(line.text), head_of, line.text)
        waiting = self._waiting.get(head.id) if type(head.id) is int and not head.method else None
        if waiting is None or waiting.done():
            self._idle += len(line.text) + 1
            self._note(head)
        elif line.is_whole:
            self._idle = 0
            waiting.set_result(line.text)
        else:
            waiting.set_exception(Failed("too-large", "the response is larger than allowed", ""))

    def _note(self, head: Head) -> None:
        if head.method == _CHANGED:
            self.changed = True
        elif head.method and head.id is not None:
            with contextlib.suppress(Failed):
                self._write(refusal_of(head))

    def _fail(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Failed("unreachable", "the server has ended", ""))
                waiting.exception()  # who waits may have gone meanwhile

    async def _ring(self) -> None:
        pipe = self._started.process.stderr
        while pipe is not None and (piece := await pipe.read(PIECE)):
            self._stderr = (self._stderr + piece)[-RING:]
            await asyncio.sleep(PAUSE_SECONDS)


class _Line:
    """A line, or both ends of one that was too long to keep."""

    __slots__ = ("is_whole", "text")

    def __init__(self, text: bytes, is_whole: bool = True) -> None:
        self.text, self.is_whole = text, is_whole


class _Rest:
    """Pieces of bytes cut into lines; of a line longer than ``most``, both ends are kept. ``skipped`` is how long that is by now."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self._first = b""
        self.skipped = 0

    def lines(self, piece: bytes) -> list[_Line]:
        """Return the lines that end with this piece."""
        *ended, last = piece.split(b"\n")
        found = []
        for part in ended:
            self._add(part)
            found.append(_Line(self._first + bytes(self._kept), not self.skipped))
            self._kept, self._first, self.skipped = bytearray(), b"", 0
        self._add(last)
        return found

    def _add(self, part: bytes) -> None:
        self._kept += part
        if self.skipped:
            self.skipped += len(part)
            del self._kept[:-ENDS]
        elif len(self._kept) > self._most:
            self.skipped = len(self._kept)
            self._first = bytes(self._kept[:ENDS])
            del self._kept[:-ENDS]
