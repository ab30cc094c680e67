"""One error of a document turned into one line of plain text: what is wrong, what was expected, what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.diff.visible import visible

_BLANKS = re.compile(r"[ \t\r\n]+")


def one_line(text: str) -> str:
    """Return the text with a blank for each run of blanks, tabs and line feeds, and all that can't be seen as its number."""
    return visible(" ".join(_BLANKS.split(text.strip(" \t\r\n"))))


def sentence(error: Mapping[str, Any]) -> str:
    """Return one problem as a sentence, for services that show it beside its line; a format writes it with ``one_line``.

    ``error`` is one of ``problems.errors_json``.
    """
    message, expected, hint, address = (error[key] or "" for key in ("message", "expected", "hint", "address"))
    about = f"{address}: " if address and address not in message else ""
    wanted = f"; expected: {expected}" if expected and expected not in message else ""
    return f"{about}{message}{wanted}{f'; next: {hint}' if hint else ''}"
