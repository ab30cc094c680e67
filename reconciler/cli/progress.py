"""Tells on stderr what takes longer than a second."""

from __future__ import annotations

import sys
import threading
import time

AFTER_SECONDS = 1.0


class Progress:
    """``stage`` names what is being done; nothing is printed while everything is quick, unless ``verbose``."""

    def __init__(self, enabled: bool, verbose: bool = False) -> None:
        self._enabled = enabled
        self._verbose = verbose
        self._since = time.monotonic()
        self._started = time.monotonic()
        self._stage = ""
        self._told = ""
        self._timer: threading.Timer | None = None

    def stage(self, text: str) -> None:
        self._finish_stage()
        self._stage = text
        if not self._enabled or self._verbose:
            return
        if time.monotonic() - self._started >= AFTER_SECONDS:
            self._tell()
        elif self._timer is None:
            self._timer = threading.Timer(AFTER_SECONDS, self._tell)
            self._timer.daemon = True
            self._timer.start()

    def say(self, text: str) -> None:
        """At once: something that a person who waits wants to know."""
        if self._enabled:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def _finish_stage(self) -> None:
        """With -v every stage tells how long it took."""
        if self._verbose and self._stage:
            self.say(f"{self._stage}: {time.monotonic() - self._since:.2f} s")
        self._since = time.monotonic()

    def done(self) -> None:
        self._finish_stage()
        self._stage = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        if self._stage and self._stage != self._told:
            self._told = self._stage
            self.say(f"{self._stage} ...")
