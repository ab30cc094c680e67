"""A real terminal of a given width, and what a command writes to it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from tests.conftest import command_environment

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def at_terminal(
    arguments: list[str],
    cwd: Path,
    width: int = 80,
    stdout: int | None = None,
    then: Callable[[subprocess.Popen[bytes], str], object] = lambda process, seen: None,
    **extra: str,
) -> tuple[int, str]:
    """The exit code, and all that came; ``stdout`` goes there instead. ``then`` sees what has come so far, each time."""
    main, second = pty.openpty()
    fcntl.ioctl(second, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    kept = {k: v for k, v in command_environment().items() if k not in {"NO_COLOR", "COLUMNS", "CI"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=cwd,
        env={**kept, "TERM": "xterm", **extra},
        stdin=second,
        stdout=second if stdout is None else stdout,
        stderr=second,
        start_new_session=True,
    )
    os.close(second)
    seen = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
        then(process, seen.decode(errors="replace"))
    os.close(main)
    return process.wait(60), seen.decode().replace("\r\n", "\n")
