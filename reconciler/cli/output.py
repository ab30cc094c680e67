"""What the command line writes: scrubbed of every secret that this process has resolved, and an error where it is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
        self.passes = 0

    def write(self, text: str) -> int:
        """Write ``text`` without secrets. Raises OutputLost."""
        # not imported: as long as nobody did, there is no secret, and most commands never need it
        scrub: Any = sys.modules.get("reconciler.secrets.scrub")
        safe = scrub.scrub(text) if scrub is not None and isinstance(text, str) and not self.passes else text
        self._attempt(lambda: self._stream.write(safe))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of ``lines``. Raises OutputLost."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered. Raises OutputLost."""
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


def without_secrets(value: Any) -> Any:
    """Return JSON as Python values with every secret masked in its texts; its keys and numbers are its own."""
    scrub: Any = sys.modules.get("reconciler.secrets.scrub")
    return scrub.scrub_values(value) if knows_secrets() else value


def knows_secrets() -> bool:
    """Whether this process has resolved any secret."""
    scrub: Any = sys.modules.get("reconciler.secrets.scrub")
    return scrub is not None and bool(scrub.knows_any())


@contextmanager
def own_words() -> Iterator[None]:
    """Yield while what is written goes out as it is: its values are ``without_secrets``, and no secret may blank the rest.

    Whoever sets a secret's value would otherwise decide what a reviewer, or a policy that reads the JSON, gets to see.
    """
    streams = [one for one in (sys.stdout,) if isinstance(one, Scrubbed)]
    for stream in streams:
        stream.passes += 1
    try:
        yield
    finally:
        for stream in streams:
            stream.passes -= 1


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
