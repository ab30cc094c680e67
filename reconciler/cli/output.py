"""What the command line writes, scrubbed of every secret that this process has resolved."""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast


class Scrubbed:
    """A text stream whose every write is scrubbed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        # not imported: as long as nobody did, there is no secret, and most commands never need it
        scrub: Any = sys.modules.get("reconciler.secrets.scrub")
        self._stream.write(scrub.scrub(text) if scrub is not None and isinstance(text, str) else text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def scrub_output() -> None:
    """From now on stdout and stderr are scrubbed, the interpreter's own tracebacks included."""
    if not isinstance(sys.stdout, Scrubbed):
        sys.stdout = cast(TextIO, Scrubbed(sys.stdout))
        sys.stderr = cast(TextIO, Scrubbed(sys.stderr))
