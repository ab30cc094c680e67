"""A real terminal of a given width, and what a command writes to it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
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
    then: Callable[[subprocess.Popen[bytes], str, int], object] = lambda process, seen, keyboard: None,
    program: tuple[str, ...] = ("-m", "reconciler"),
    **extra: str,
) -> tuple[int, str]:
    """The exit code, and all that came; ``stdout`` goes there instead. ``then`` sees what has come so far, each time, and may type."""
    main, second = pty.openpty()
    fcntl.ioctl(second, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    settings = termios.tcgetattr(second)
    settings[3] &= ~termios.ECHO  # what is typed is no part of what the command wrote
    termios.tcsetattr(second, termios.TCSANOW, settings)
    kept = {k: v for k, v in command_environment().items() if k not in {"NO_COLOR", "COLUMNS", "CI"}}
    process = subprocess.Popen(
        [sys.executable, *program, *arguments],
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
        if not select.select([main], [], [], 60)[0]:
            process.kill()
            raise AssertionError(f"nothing came for a minute after: {seen[-500:]!r}")
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
        then(process, seen.decode(errors="replace"), main)
    os.close(main)
    return process.wait(60), seen.decode().replace("\r\n", "\n")


def lasting(seen: str) -> str:
    """Return what stays on the screen: without lines of progress, which a slow machine shows and which are written over."""
    return re.sub(r"[^\n]*\r", "", seen)


def screen(seen: str) -> list[str]:
    """The lines that a person sees in the end: what was written over is gone."""
    lines, line, at = [], "", 0
    for character in COLOUR.sub("", seen):
        if character == "\r":
            at = 0
        elif character == "\n":
            lines.append(line.rstrip())
            line, at = "", 0
        else:
            line = line[:at] + character + line[at + 1 :]
            at += 1
    return [*lines, line.rstrip()]
