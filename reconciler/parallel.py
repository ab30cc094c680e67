"""Work on many items at a time, and work that is waited for no longer than so many seconds.

In daemon threads: what a client of somebody else's hangs in can't be ended, so it must not keep the process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
WORKERS = 8


def in_parallel(items: Iterable[K], work: Callable[[K], V]) -> dict[K, V]:
    """Return what ``work`` returns for each, in the order of the items. ``work`` raises nothing."""
    each = [*dict.fromkeys(items)]
    found: dict[K, V] = {}
    waiting: queue.SimpleQueue[K] = queue.SimpleQueue()
    for item in each:
        waiting.put(item)

    def run() -> None:
        while True:
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            found[item] = work(item)

    workers = [threading.Thread(target=run, daemon=True) for _ in range(min(WORKERS, len(each)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {item: found[item] for item in each}


def within(seconds: float, work: Callable[[], V]) -> V | None:
    """Return what ``work`` returns, or None after so many seconds, whatever it still does. ``work`` raises nothing."""
    answers: list[V] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
