"""Blocking work in threads that keep no process from ending, however long the work hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

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

    def end(self) -> None:
        """End the thread after what it does now."""
        self._queue.put(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            job()


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Return or raise what ``work`` does in a thread of its own."""
    worker = Worker()
    try:
        return await worker.do(work, *arguments)
    finally:
        worker.end()


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
