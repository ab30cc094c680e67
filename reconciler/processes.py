"""Share work among forked processes, by a function that is called like ``map``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from reconciler.ticker import TickerThread

K = TypeVar("K")
V = TypeVar("V")
_TASKS = 128
"""Tasks that items are split into at most: passing one to a process takes a tenth of a millisecond."""


def processors() -> int:
    """Return how many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forked(work: Callable[[K], V], items: Sequence[K]) -> Iterator[V]:
    """Yield ``work(item)`` for each item, in their order, by this process and as many others as there are processors.

    Children are forked, so they have everything that this process has: only numbers are sent to them, and pickled results
    come back. A task that raises, or whose child was killed, is done again here, where an error can be seen. Where
    processes can't be started, or another thread runs, which a child would not have, this process does everything.
    """
    size = -(-len(items) // _TASKS)
    tasks = [range(at, min(at + size, len(items))) for at in range(0, len(items), size)] if items else []
    helpers = min(processors(), len(tasks)) - 1
    # the first task is done before the fork: every child then has the modules and validators that it takes
    for index in tasks[0] if tasks else ():
        yield work(items[index])
    if helpers > 0 and hasattr(os, "fork") and _is_alone():
        from reconciler.pool import Pool  # small inputs need no pool, and no time for its imports

        yield from Pool(work, items, helpers).results(tasks[1:])
    else:
        yield from (work(items[index]) for task in tasks[1:] for index in task)


def _is_alone() -> bool:
    """Whether no thread runs but this one, and those that end before a fork."""
    others = {*threading.enumerate()} - {threading.current_thread()}
    return all(isinstance(thread, TickerThread) for thread in others)
