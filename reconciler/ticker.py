"""Repeat a function in a thread that doesn't run while this process forks: a child would get its locks as they are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Ticker:
    """Calls ``beat`` after ``first`` seconds, and then every ``every`` seconds, until ``stop``."""

    def __init__(self, beat: Callable[[], None], first: float, every: float) -> None:
        self._beat, self._pause, self._every = beat, first, every
        self._thread: TickerThread | None = None
        self._ended = threading.Event()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._rest, after_in_parent=self._go_on)
        self._wanted = False

    def start(self) -> None:
        self._wanted = True
        self._go_on()

    def stop(self) -> None:
        """Return once the thread has ended; calls nothing from now on."""
        self._wanted = False
        self._rest()

    def _go_on(self) -> None:
        if self._wanted and self._thread is None:
            self._ended.clear()
            self._thread = TickerThread(target=self._run, daemon=True)
            self._thread.start()

    def _rest(self) -> None:
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self._pause = self._every
            self._beat()


class TickerThread(threading.Thread):
    """The thread of a ticker: it ends before a fork and starts again in the parent."""
