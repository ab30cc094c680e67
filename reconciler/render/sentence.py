"""One error of a document turned into one line of plain text: what is wrong, what was expected, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.render.style import safe


def one_line(text: str) -> str:
    """Without line ends, and without characters that control a terminal or the direction of text."""
    return safe(" ".join(text.split()))


def sentence(error: Mapping[str, Any]) -> str:
    """For services that show a problem beside its line; takes an error of ``problems.errors_json``."""
    message, expected, hint, address = (error[key] or "" for key in ("message", "expected", "hint", "address"))
    about = f"{address}: " if address and address not in message else ""
    wanted = f"; expected: {expected}" if expected and expected not in message else ""
    return one_line(f"{about}{message}{wanted}{f'; next: {hint}' if hint else ''}")
