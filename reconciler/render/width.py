"""Lines made as wide as a terminal is: counted in cells, wrapped below their own beginning, or cut in the middle."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from reconciler.diff.visible import GOES_ON

LEAST = 20
"""A terminal that says it is narrower gets this."""
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_RESET = "\x1b[0m"
_WIDENER = "\ufe0f"
"""Asks for an emoji where there is also a narrower form of a character."""
TAB = "    "


def cells(text: str) -> int:
    """How many columns of a terminal text without controls takes; rather one too many than one too few."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(character: str) -> int:
    if character == _WIDENER:
        return 1
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def cut(text: str, width: int) -> str:
    """At most ``width`` cells, with … in place of the middle."""
    if cells(text) <= width:
        return text
    head, tail = max(1, width * 2 // 3), 0
    begin = text[: _fitting(text, 0, head)]
    while tail < len(text) - len(begin) and cells(begin) + 1 + cells(text[-tail - 1 :]) <= width:
        tail += 1
    return f"{begin}…{text[len(text) - tail :]}"


def cut_end(text: str, width: int) -> str:
    """At most ``width`` cells, with … in place of the end."""
    return text if cells(text) <= width else f"{text[: _fitting(text, 0, width - 1)]}…"


def wrapped(line: str, width: int) -> Iterator[str]:
    """The line as lines of at most ``width`` cells; colours go on, further lines stand further in.

    A line that stands further in holds values: its further lines begin with a mark and lose nothing, not even blanks.
    """
    width = max(LEAST, width)
    for one in line.replace("\t", TAB).split("\n"):
        if len(one) <= width and one.isascii():
            yield one
        else:
            yield from _folded(one, width)


def _folded(line: str, width: int) -> Iterator[str]:
    text = _COLOUR.sub("", line)
    if cells(text) <= width:
        yield line
        return
    colours = _colours(line)
    keeps = text[0] == " "
    indent = " " * min(len(text) - len(text.lstrip(" ")) + 4, width // 2) + (GOES_ON if keeps else "")
    now, start, lead = "", 0, ""
    while start < len(text):
        end, following = _break(text, start, width - len(lead))
        following = end if keeps else following
        shown = lead + now
        for position in range(start, end):
            codes = colours.pop(position, "")
            now = _opened(now, codes)
            shown += codes + text[position]
        yield shown + (_RESET if now else "")
        for position in range(end, max(end + 1, following)):
            now = _opened(now, colours.pop(position, ""))
        start, lead = following, indent


def _colours(line: str) -> dict[int, str]:
    """The codes in front of each character that has any."""
    found: dict[int, str] = {}
    at = 0
    for index, part in enumerate(_COLOUR.split(line)):
        if index % 2:
            found[at] = found.get(at, "") + part
        else:
            at += len(part)
    return found


def _opened(now: str, codes: str) -> str:
    """The colour that holds after ``codes``."""
    for code in _COLOUR.findall(codes):
        now = "" if code == _RESET else now + code
    return now


def _break(text: str, start: int, room: int) -> tuple[int, int]:
    """Where a line ends that begins at ``start``, and where the next one begins: around blanks, if there are any late enough."""
    end = _fitting(text, start, room)
    if end == len(text):
        return end, end
    first = start + len(text[start:]) - len(text[start:].lstrip())
    blank = text.rfind(" ", start, end + 1)
    if blank > first and blank - start > (end - start) // 3:
        end = blank
    before, after = text[start:end], text[end:]
    return start + (len(before.rstrip()) or len(before)), end + len(after) - len(after.lstrip())


def _fitting(text: str, start: int, room: int) -> int:
    """The end of what fits; a character keeps the marks that belong to it."""
    end, taken = start, 0
    while end < len(text) and taken + _cell(text[end]) <= room:
        taken += _cell(text[end])
        end += 1
    while start + 1 < end < len(text) and (text[end] == _WIDENER or _cell(text[end]) == 0):
        end -= 1
    return max(end, start + 1)
