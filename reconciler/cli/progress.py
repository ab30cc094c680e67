"""Report on stderr what takes long: as one live line at a terminal, elsewhere only messages that somebody waits for."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.cli.terminal import width_of
from reconciler.diff.visible import visible
from reconciler.render.width import cells, cut
from reconciler.ticker import Ticker

AFTER_SECONDS = 1.0
EVERY_SECONDS = 0.1
BAR = 24


class Progress:
    """``stage`` names what is being done. While everything is quick, and outside of stages, nothing is shown."""

    def __init__(self, enabled: bool, verbose: bool = False) -> None:
        """``verbose``: in place of the live line, every stage tells at its end how long it took."""
        self._enabled = enabled
        self._verbose = verbose
        self._live = enabled and not verbose and _is_lively()
        self._started = time.monotonic()
        self._stage = ""
        self._since = 0.0
        self._count: tuple[int, int, str] | None = None
        self._shown = 0
        self._lock = threading.Lock()
        self._ticker: Ticker | None = None

    @contextmanager
    def stage(self, text: str) -> Iterator[None]:
        self._since, self._count, self._stage = time.monotonic(), None, text
        if self._live and self._ticker is None:
            self._ticker = Ticker(self._beat, AFTER_SECONDS, EVERY_SECONDS)
            self._ticker.start()
        try:
            yield
            if self._verbose:
                self.say(f"{text}: {time.monotonic() - self._since:.2f} s")
        finally:
            with self._lock:
                self._stage = ""
                self._erase()

    def count(self, done: int, total: int, what: str) -> None:
        """How far the stage has come: a note for the live line, so that it costs the work nothing."""
        self._count = done, total, what

    def say(self, text: str, always: bool = False) -> None:
        """At once, also where there is no terminal: something that a person who waits wants to know."""
        if self._enabled or always:
            with self._lock:
                self._erase()
                print(text, file=sys.stderr, flush=True)  # noqa: T201

    def done(self) -> None:
        """Draw nothing from now on, not while the process ends either."""
        if self._ticker is not None:
            self._ticker.stop()

    def _beat(self) -> None:
        with self._lock, suppress(OSError, ValueError):  # a terminal that is gone is no reason to fail
            if self._stage:
                self._draw()

    def _draw(self) -> None:
        room = max(1, (width_of(sys.stderr) or 80) - 1)
        text = f"{visible(self._stage)} ... {time.monotonic() - self._started:.0f} s"
        if self._count:
            done, total, what = self._count
            full = BAR * done // max(1, total)
            text = f"{visible(self._stage)} [{'#' * full}{'-' * (BAR - full)}] {done} of {total} {what}"
            text = text if cells(text) <= room else f"{done} of {total} {what}"
        text = cut(text, room)
        self._write(text + " " * (self._shown - cells(text)))
        self._shown = cells(text)

    def _erase(self) -> None:
        if self._shown:
            self._write(" " * self._shown + "\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        """From the beginning of the line, which stays the same: blanks and no control sequences."""
        sys.stderr.write(f"\r{text}")
        sys.stderr.flush()


def _is_lively() -> bool:
    return sys.stderr.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"
