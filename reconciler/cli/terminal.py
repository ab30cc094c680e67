"""What kind of place an output goes to: how many columns it has, if it is a terminal."""

from __future__ import annotations

import os
from typing import TextIO


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal, of which COLUMNS has the last word; None where there is none, as in a pipe or a file."""
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given[:6]) > 0:
        return int(given[:6])
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None
