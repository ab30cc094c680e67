"""Run tasks in a pool of forked processes, and in this one."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

from msgspec import Struct

_AHEAD = 8
"""Tasks whose results may wait in memory, for each process."""


class _Task(Struct):
    indexes: range
    future: Future[Any] | None
    results: list[Any] | None = None


class Pool:
    """A process and its ``helpers``, which do ``work`` on ``items``."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any], helpers: int) -> None:
        self._work, self._items, self._helpers = work, items, helpers
        self._pool: ProcessPoolExecutor | None = None

    def results(self, tasks: Sequence[range]) -> Iterator[Any]:
        """Yield the results of all tasks, which are indexes of items, in their order."""
        with suppress(OSError, NotImplementedError, ImportError):  # a system without semaphores
            context = get_context("fork")
            self._pool = ProcessPoolExecutor(self._helpers, context, _begin, (self._work, self._items))
        begun: deque[_Task] = deque()
        try:
            for indexes in tasks:
                begun.append(_Task(indexes, self._submit(indexes)))
                if len(begun) > _AHEAD * (1 + self._helpers):
                    yield from self._first_of(begun)
            while begun:
                yield from self._first_of(begun)
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def _submit(self, indexes: range) -> Future[Any] | None:
        with suppress(BrokenProcessPool, OSError):
            return self._pool.submit(_do, indexes) if self._pool else None
        return None

    def _first_of(self, begun: deque[_Task]) -> list[Any]:
        """Return the results of the first task; until they are there, do the last ones that nobody has begun."""
        first = begun[0]
        while first.results is None and first.future is not None and not first.future.done():
            free = next((one for one in reversed(begun) if one.results is None and _taken_back(one)), None)
            if free is None:
                break
            free.results = self._here(free.indexes)
        begun.popleft()
        found = first.results
        if found is None and first.future is not None:
            with suppress(BrokenProcessPool):
                found = first.future.result()
        return self._here(first.indexes) if found is None else found

    def _here(self, indexes: range) -> list[Any]:
        return [self._work(self._items[index]) for index in indexes]


def _taken_back(task: _Task) -> bool:
    return task.future is not None and task.future.cancel()


class _Child:
    """What a child has from its parent. Only children set it, once."""

    work: Callable[[Any], Any]
    items: Sequence[Any]


def _begin(work: Callable[[Any], Any], items: Sequence[Any]) -> None:
    """Make this process a child: it ends without a word when it is told to, and when its parent was killed."""
    _Child.work, _Child.items = work, items
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _do(indexes: range) -> list[Any] | None:
    """Return the results of a task; None where it raises: the parent will see that by itself."""
    try:
        return [_Child.work(_Child.items[index]) for index in indexes]
    except Exception:
        return None
