"""What kind of place an output goes to: how many columns it has, if it is a terminal, and whether it gets colours."""

from __future__ import annotations

import os
from typing import TextIO


def forces_colour() -> bool:
    """Whether FORCE_COLOR asks for colours, also in pipes and files."""
    return os.environ.get("FORCE_COLOR", "0").lower() not in {"", "0", "false"}


def wants_colour(stream: TextIO, refused: bool = False) -> bool:
    """Whether a stream gets colours. NO_COLOR, or ``refused`` by --no-color, comes before FORCE_COLOR, and that before a guess.

    The guess: a terminal gets them, except one that is dumb or in a pipeline (CI). FORCE_COLOR=0 is as if it was not set.
    """
    if refused or "NO_COLOR" in os.environ:
        return False
    if forces_colour():
        return True
    return stream.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


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
