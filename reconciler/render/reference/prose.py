"""Sentences of ours turned into Markdown that reads well as source too: lines of at most 110 columns."""

from __future__ import annotations

import re
import textwrap

WIDTH = 110
_SPECIAL = re.compile(r"([*<>\[\]|])")
_BLOCK = re.compile(r"[-+*](\s|$)|[>#|=]|\d+[.)](\s|$)")
_NAMED = re.compile(r"\$\{[^}]*\}|(?<=[ (])--[a-z][a-z-]*")
"""Variables and options, which are code wherever they stand."""
_SPAN = re.compile(r"`[^`]*`")
_GLUE = "\x00"


def prose(text: str) -> str:
    """Plain text, of which only code spans mean anything."""
    parts = " ".join(text.split()).split("`")
    plain = [_NAMED.sub(r"`\g<0>`", _SPECIAL.sub(r"\\\1", part)) for part in parts[::2]]
    return "`".join(plain[index // 2] if index % 2 == 0 else part for index, part in enumerate(parts))


def bullet(text: str, depth: int = 0) -> list[str]:
    """One item of a list, whose further lines stand below its first word."""
    return _filled(text, "  " * depth + "- ", "  " * depth + "  ")


def paragraph(text: str) -> list[str]:
    """Fill a paragraph, followed by an empty line."""
    return [*_filled(text, "", ""), ""]


def _filled(text: str, first: str, further: str) -> list[str]:
    lines: list[str] = []
    # a code span stays on its line
    for line in textwrap.wrap(
        _SPAN.sub(lambda span: span[0].replace(" ", _GLUE), text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        line = line.replace(_GLUE, " ")
        # a line that begins like an item or a heading would be one
        if lines and _BLOCK.match(line.strip()):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return lines


def anchor(heading: str) -> str:
    """Return what GitHub and others make of a heading, to link to it."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
