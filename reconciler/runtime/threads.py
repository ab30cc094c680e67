"""Blocking work in threads that keep no process from ending, however long the work hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Worker:
    """One daemon thread that does one thing after the other. The loop's own threads are waited for when a process ends."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, daemon=True).start()

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return or raise what ``work`` does, which goes on when the caller is cancelled."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            result, failed = None, None
            try:
                result = work(*arguments)
            except BaseException as error:
                failed = error
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_settle, future, result, failed)

        self._queue.put(job)
        return await future

    def end(self, last: Callable[[], None] | None = None) -> None:
        """End the thread after what it does now, and after ``last``, which raises nothing."""
        if last is not None:
            self._queue.put(last)
        self._queue.put(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            job()
            del job  # and what it was given, which may be large


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Return or raise what ``work`` does in a thread of its own."""
    worker = Worker()
    try:
        return await worker.do(work, *arguments)
    finally:
        worker.end()


LARGE = 64 * 1024
"""Bytes of JSON from which on work on it leaves the event loop: 64 kB take some 5 ms, and all calls wait meanwhile."""


async def aside(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """Return or raise what ``work`` does on something of that size, in a thread where that takes long."""
    return work(*arguments) if size <= LARGE else await in_thread(work, *arguments)


class Ending(NamedTuple, Generic[T]):
    """The result of work, and the cancellation that came meanwhile, which whoever awaited it has to raise."""

    result: T
    cancelled: asyncio.CancelledError | None


async def to_its_end(work: Awaitable[T]) -> Ending[T]:
    """Await work to its end, whoever is cancelled meanwhile. Raises what the work does."""
    task = asyncio.ensure_future(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    return Ending(task.result(), cancelled)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
