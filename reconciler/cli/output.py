"""What the command line writes: scrubbed of every secret that this process has resolved, and an error where it is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, cast


class OutputLost(Exception):
    """Standard output takes no more: nobody reads it (``unread``), or the disk is full. The text says which."""

    unread = False


class Scrubbed:
    """A text stream whose every write is scrubbed."""

    def __init__(self, stream: TextIO, required: bool) -> None:
        """Not ``required``: what can't be written is dropped, since it would only have been a message."""
        self._stream = stream
        self._required = required
        self._lost: OutputLost | None = None

    def write(self, text: str) -> int:
        """Write ``text`` without secrets. Raises OutputLost."""
        # not imported: as long as nobody did, there is no secret, and most commands never need it
        scrub: Any = sys.modules.get("reconciler.secrets.scrub")
        safe = scrub.scrub(text) if scrub is not None and isinstance(text, str) else text
        self._attempt(lambda: self._stream.write(safe))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of ``lines``. Raises OutputLost."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Raises OutputLost."""
        self._attempt(self._stream.flush)

    def _attempt(self, work: Callable[[], Any]) -> None:
        """Raise OutputLost, now and from now on: click tries a stream by writing to it, and catches what that raises."""
        try:
            if self._lost is None:
                work()
        except OSError as error:
            self._lost = OutputLost(error.strerror or type(error).__name__)
            self._lost.unread = isinstance(error, BrokenPipeError)
            # what is left in the buffer goes nowhere, so that the interpreter doesn't try again at its end
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        if self._lost is not None and self._required:
            raise self._lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_streams() -> None:
    """Point each standard stream that is closed to the null device: a database must not get its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def scrub_output() -> None:
    """From now on stdout and stderr are scrubbed, the interpreter's own tracebacks included."""
    if not isinstance(sys.stdout, Scrubbed):
        sys.stdout = cast(TextIO, Scrubbed(sys.stdout, required=True))
        sys.stderr = cast(TextIO, Scrubbed(sys.stderr, required=False))
