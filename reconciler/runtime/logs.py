"""What a server has to say, as one JSON object a line."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import orjson

AGAIN_SECONDS = 60.0


class JsonLog(logging.Formatter):
    """One object a line; nothing of arguments or tracebacks, which may hold what agents said."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"), "level": record.levelname.lower()}
        return orjson.dumps({**told, "logger": record.name, "message": record.getMessage()}).decode()


class Trouble:
    """What goes wrong again and again, logged when it changes and once a minute."""

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log, self._message = log, message
        self._last: tuple[str, float] | None = None

    def occurs(self, why: str) -> None:
        if self._last is None or self._last[0] != why or time.monotonic() - self._last[1] > AGAIN_SECONDS:
            self._last = why, time.monotonic()
            self._log.error(self._message, why)

    def ends(self) -> None:
        self._last = None

    def reported(self, reasons: Iterable[str]) -> None:
        """Log what went wrong in one round; none ends the trouble."""
        found = [*reasons]
        for reason in found:
            self.occurs(reason)
        if not found:
            self.ends()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Log an exception of the block, which ends there, by its type; without one the trouble ends."""
        try:
            yield
        except Exception as error:
            self.occurs(type(error).__name__)
        else:
            self.ends()


def log_as_json() -> None:
    """Send warnings and errors to stderr, a JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("reconciler").setLevel(logging.INFO)
