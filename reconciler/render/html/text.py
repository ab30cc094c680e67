"""Somebody's text turned into HTML and into JSON inside of a script element, with nothing in it that acts or hides."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

_RANGES = (
    (0x00, 0x08),  # controls but tab and newline
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),  # soft hyphen
    (0x034F, 0x034F),
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # fillers
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width, left-to-right and right-to-left marks
    (0x2028, 0x202E),  # separators, embeddings, overrides
    (0x2060, 0x206F),  # isolates, invisible operators
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # halves of surrogate pairs
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0xE0000, 0xE0FFF),  # tags, more variation selectors
)
UNSAFE = re.compile("[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in _RANGES) + "]")
"""What acts, turns the direction of text, or can't be seen."""
UNSAFE_IN_SCRIPT = "[" + "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in _RANGES) + "]"
"""The same characters as a regular expression of ECMAScript with the flag u."""


def shown(text: Any) -> str:
    """As HTML; each control, direction or invisible character as a mark that can be read."""
    return UNSAFE.sub(lambda match: f'<span class="ctl">U+{ord(match[0]):04X}</span>', escape(str(text)))


def plain(text: Any) -> str:
    """The same where no element may stand: in a title, and in SVG, which a ``span`` would end."""
    return escape(UNSAFE.sub(lambda match: f"<U+{ord(match[0]):04X}>", str(text)))


def embedded(value: Any) -> str:
    """As JSON for a script element: no character can end the element, or hides in the file's source."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f"
