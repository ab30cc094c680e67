"""Somebody's text turned into HTML and into JSON inside of a script element, with nothing in it that acts or hides."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from reconciler.diff.visible import visible

_NUMBER = re.compile(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")


def shown(text: Any) -> str:
    """As HTML; the number of a character that can't be seen is marked."""
    return _NUMBER.sub(r'<span class="ctl">\g<0></span>', plain(text))


def plain(text: Any) -> str:
    """Return the same where no element may stand: in a title, and in SVG, which a ``span`` would end."""
    return escape(visible(str(text)))


def embedded(value: Any) -> str:
    """As JSON for a script element, in ASCII: no character can end the element, or hides in the file's source."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\x7f", "\\u007f")


def visible_row(value: Any) -> Any:
    """Return a row with all of its texts as they are shown; its diffs (``d``) are already."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [visible_row(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "d" else visible_row(item) for key, item in value.items()}
    return value
