"""One error of a document turned into one line of plain text: what is wrong, what was expected, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def one_line(text: str) -> str:
    """Without line ends, and with every character that is not for the eye (controls, directions) as its number."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)


def sentence(error: Mapping[str, Any]) -> str:
    """For services that show a problem beside its line; takes an error of ``problems.errors_json``."""
    message, expected, hint, address = (error[key] or "" for key in ("message", "expected", "hint", "address"))
    about = f"{address}: " if address and address not in message else ""
    wanted = f"; expected: {expected}" if expected and expected not in message else ""
    return one_line(f"{about}{message}{wanted}{f'; next: {hint}' if hint else ''}")
