"""MCP over stdin and stdout: one message a line, for the one caller that whoever starts the process vouches for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

from reconciler.access.judge import Caller
from reconciler.runtime.surfaces.guard import MOST_BYTES
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_wire import (
    INVALID_REQUEST,
    Fault,
    Id,
    Request,
    is_id,
    lax_id,
    parse,
    write_fault,
    write_result,
)
from reconciler.runtime.threads import Worker, aside

MOST_RUNNING = 64
"""Requests that run at once; the next line is read when one has ended."""


class Stdio:
    """Lines into answers. A cancelled request gets none."""

    def __init__(self, mcp: Mcp, who: Caller, writer: BinaryIO) -> None:
        self._mcp, self._who, self._writer = mcp, who, writer
        self._output = Worker()
        self._running: dict[Id, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(MOST_RUNNING)

    async def serve(self, lines: AsyncIterator[bytes | None]) -> None:
        """Until the lines end, and what runs has ended. None is a line that is too long."""
        try:
            async with asyncio.TaskGroup() as tasks:
                async for line in lines:
                    await self._take(line, tasks)
        finally:
            self._output.end()

    async def _take(self, line: bytes | None, tasks: asyncio.TaskGroup) -> None:
        if line is None:
            await self._write(write_fault(Fault(INVALID_REQUEST, f"A message has at most {MOST_BYTES} bytes.")))
            return
        if not line.strip():
            return
        try:
            message = await aside(len(line), parse, line)
        except Fault as fault:
            fault.id = lax_id(line) if fault.id is None else fault.id
            await self._write(write_fault(fault))
            return
        if isinstance(message, Request):
            await self._places.acquire()
            task = tasks.create_task(self._answer(message))
            self._running[message.id] = task
            task.add_done_callback(lambda done: self._ended(message.id, done))
        elif message.method == "notifications/cancelled":
            cancelled = message.params.get("requestId")
            if is_id(cancelled) and (found := self._running.get(cancelled)) is not None:
                found.cancel()

    def _ended(self, identity: Id, task: asyncio.Task[None]) -> None:
        self._places.release()
        if self._running.get(identity) is task:
            del self._running[identity]

    async def _answer(self, request: Request) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                text = write_result(request.id, await self._result(request))
            except Fault as fault:
                text = write_fault(fault)
            await self._write(text)

    async def _result(self, request: Request) -> bytes:
        """Return the JSON text of a result, in the era that the request shows. Raises Fault."""
        if request.method != "initialize" and request.has_envelope:
            return (await self._mcp.answer_modern(self._who, request)).text
        return (await self._mcp.answer(self._who, request)).text

    async def _write(self, text: bytes) -> None:
        await self._output.do(self._write_line, text + b"\n")

    def _write_line(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more; stdin ends then, too
            self._writer.write(line)
            self._writer.flush()


async def lines_of(reader: BinaryIO) -> AsyncIterator[bytes | None]:
    """Yield each line, without reading ahead; None for one of more than ``MOST_BYTES``, which is skipped."""
    worker = Worker()
    while line := await worker.do(reader.readline, MOST_BYTES + 1):
        if len(line) > MOST_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = await worker.do(reader.readline, MOST_BYTES)
            yield None
        else:
            yield line
    worker.end()


@contextlib.contextmanager
def own_streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open stdin and stdout for messages alone; what else reads meanwhile finds nothing, and what else writes goes to stderr."""
    sys.stdout.flush()
    own_in, own_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    with open(own_in, "rb") as reader, open(own_out, "wb") as writer:
        yield reader, writer
