"""Text made safe for a terminal, and coloured and fitted to it where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from reconciler.render.width import LEAST, cut, wrapped

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_CODES = {"red": 31, "green": 32, "yellow": 33, "cyan": 36, "magenta": 35, "bold": 1, "dim": 2}
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
OP_COLOURS = {"+": "green", "-": "red", "~": "yellow"}


def safe(text: str) -> str:
    """No control, direction or invisible character of somebody's configuration reaches a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class Style:
    """``paint`` adds colour if this output has any. Without a ``width``, as in a pipe, nothing is wrapped or cut."""

    def __init__(self, colour: bool, width: int | None = None, whole: bool = False) -> None:
        """``whole``: what is only there for context is not cut either."""
        self._colour = colour
        self.width = width
        self._whole = whole

    def lines(self, text: str) -> Iterable[str]:
        """Wrapped to the terminal."""
        return [text] if self.width is None else wrapped(text, self.width)

    def context(self, text: str, beside: int) -> str:
        """What did not change, on one line: cut in the middle where it has no room beside so many cells."""
        return text if self.width is None or self._whole else cut(text, max(LEAST, self.width - beside))

    def paint(self, text: str, *styles: str) -> str:
        if not self._colour or not text:
            return text
        return "".join(f"\x1b[{_CODES[style]}m" for style in styles) + text + "\x1b[0m"


def value_text(value: Any) -> str:
    """One JSON value on one line, as configuration would write it."""
    if type(value) is int:
        return str(value)
    if type(value) is list and {*map(type, value)} == {str}:  # an encoder of lists costs more than what it writes
        return safe(f"[{', '.join(map(_JSON.encode, value))}]")
    return safe(_JSON.encode(value))
