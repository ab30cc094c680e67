"""The transport over pipes: a child process, one message a line, answers told apart by their ids."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any

from reconciler import strict_json
from reconciler.runtime.call import Failed
from reconciler.runtime.mcp.channel import NotSpoken
from reconciler.runtime.mcp.messages import RpcError, Server, answer_in, notification, request
from reconciler.runtime.mcp.processes import Processes, Started
from reconciler.strict_json import NotStrict

PIECE = 64 * 1024
RING = 64 * 1024
"""Bytes of a server's stderr that are kept, for nobody but a debugger: they never reach our log."""
PROBE_SECONDS = 5.0
"""How long an older server may keep silent on a request that it does not know."""
_CHANGED = "notifications/tools/list_changed"


class StdioChannel:
    """A process that serves until it ends; what waits then fails."""

    def __init__(self, reached: str, started: Started, processes: Processes, most: int) -> None:
        self.reached, self.changed = reached, False
        self._started, self._processes = started, processes
        self._longest = most + PIECE
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ids = count(1)
        self._stderr: deque[bytes] = deque(maxlen=RING // 1024)
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
        if server is None and method == "server/discover":
            deadline = min(deadline, loop.time() + PROBE_SECONDS)
        identity = next(self._ids)
        waiting = self._waiting[identity] = loop.create_future()
        try:
            async with asyncio.timeout_at(deadline):
                await self._send(request(identity, method, params))
                message = await waiting
        except TimeoutError:
            if server is None and method == "server/discover":
                raise NotSpoken from None
            await self._cancel(identity, server)
            raise Failed("timeout", "it took too long", "timeout") from None
        except asyncio.CancelledError:
            await self._cancel(identity, server)
            raise
        finally:
            self._waiting.pop(identity, None)
        if isinstance(message, NotStrict):
            raise Failed("invalid-response", f"the server's answer is no strict JSON: {message}", "")
        found = answer_in(message, identity)
        if found is None:
            raise Failed("invalid-response", "the server's answer is no result", "")
        return found, ""

    async def tell(self, method: str, server: Server) -> None:
        await self._send(notification(method, {}))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail()
        await self._processes.end(self._started)

    async def _cancel(self, identity: int, server: Server | None) -> None:
        """Tell the server that nobody waits for an answer any more; `initialize` can't be taken back."""
        if server is not None:
            with contextlib.suppress(Failed):
                await self._send(notification("notifications/cancelled", {"requestId": identity}))

    async def _send(self, line: bytes) -> None:
        pipe = self._started.process.stdin
        if self.has_ended or pipe is None:
            raise Failed("unreachable", "the server has ended", "blocked")
        try:
            pipe.write(line + b"\n")
            await pipe.drain()
        except (OSError, RuntimeError):
            raise Failed("unreachable", "the server has ended", "") from None

    async def _reading(self) -> None:
        """Read lines until there are no more, or one that is too long: what comes behind it could be anything."""
        pipe = self._started.process.stdout
        assert pipe is not None
        rest = bytearray()
        try:
            while piece := await pipe.read(PIECE):
                rest += piece
                if b"\n" in piece:
                    *lines, last = bytes(rest).split(b"\n")
                    rest = bytearray(last)
                    for line in lines:
                        self._take(line)
                if len(rest) > self._longest:
                    break
        finally:
            self._fail()

    def _take(self, line: bytes) -> None:
        try:
            message: Any = strict_json.read(line)
        except NotStrict as error:
            # a server's own log on its stdout is no answer; a line that names a request is one, and is refused
            identity, message = _lax_id(line), error
        else:
            if isinstance(message, dict) and message.get("method") == _CHANGED:
                self.changed = True
            identity = message.get("id") if isinstance(message, dict) and "method" not in message else None
        waiting = self._waiting.get(identity) if type(identity) is int else None
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _fail(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Failed("unreachable", "the server has ended", ""))

    async def _ring(self) -> None:
        pipe = self._started.process.stderr
        while pipe is not None and (piece := await pipe.read(1024)):
            self._stderr.append(piece)


def _lax_id(line: bytes) -> Any:
    try:
        return strict_json.lax(line.decode(errors="replace")).get("id")
    except (ValueError, RecursionError, AttributeError):
        return None


__all__ = ["RpcError", "StdioChannel"]
