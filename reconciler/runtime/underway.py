"""Calls that are under way, and what ends them from here: a freeze, their deadline, the end of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from reconciler.access.judge import Caller
from reconciler.access.target import Target
from reconciler.codes import Code
from reconciler.runtime.call import Answer

LOOK_SECONDS = 0.05
"""How often calls are held to their deadlines, which their connectors keep to the moment."""
STOP_SECONDS = 1.0
"""How long a call that nobody awaits any more may take to end."""


class Running(Struct):
    """``deadline`` is in the event loop's time."""

    task: asyncio.Task[Answer]
    deadline: float
    caller: Caller
    target: Target
    ended: Code | Literal[""] = ""
    """Why it was ended from here."""

    def end(self, why: Code) -> None:
        self.ended = self.ended or why
        self.task.cancel()

    async def result(self) -> Answer:
        """Return what the call came to; it goes on when the caller is cancelled. ``asyncio.shield`` takes twice the time."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(_task: asyncio.Task[Answer]) -> None:
            if not ended.done():
                ended.set_result(None)

        self.task.add_done_callback(end)
        await ended
        return self.task.result()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=STOP_SECONDS)


class Underway:
    """One timer for all calls: one of its own costs more than looking at each."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Running]:
        return iter([*self._running.values()])

    def add(self, evidence_id: str, running: Running) -> None:
        self._running[evidence_id] = running
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._end_late)

    def remove(self, evidence_id: str) -> None:
        del self._running[evidence_id]

    def _end_late(self) -> None:
        """End what its connector has not ended in time, and look again while anything runs."""
        loop = asyncio.get_running_loop()
        for running in self:
            if running.deadline <= loop.time():
                running.end("timeout")
        self._timer = loop.call_later(LOOK_SECONDS, self._end_late) if self._running else None
