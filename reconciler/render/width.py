"""Fit lines to a terminal: count their cells, wrap them below their own beginning, or cut them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reconciler.diff.visible import GOES_ON

LEAST = 20
"""The width for a terminal that reports a smaller one."""
TAB = "    "
_WORD_WITH_BLANKS = re.compile(r"(\s*\S+)")
"""Keeps blanks with the word behind them, so that no line ends with blanks that nobody sees."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes, colours not counted."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    from wcwidth import width  # most texts are ASCII: they need no import

    return width(text)


def padded(text: str, width: int) -> str:
    """Return the text with blanks up to ``width`` cells."""
    return text + " " * (width - cells(text))


def cut(text: str, width: int) -> str:
    """Return at most ``width`` cells, with … in place of the middle."""
    if cells(text) <= width:
        return text
    head = _fitting(_graphemes(text), max(1, width * 2 // 3))
    tail = _fitting(reversed(_graphemes(text[len(head) :])), width - 1 - cells(head))
    return f"{head}…{text[len(text) - len(tail) :]}"


def cut_end(text: str, width: int) -> str:
    """Return at most ``width`` cells, with … in place of the end."""
    return text if cells(text) <= width else f"{_fitting(_graphemes(text), width - 1)}…"


def wrapped(line: str, width: int) -> Iterator[str]:
    """Yield the line as lines of at most ``width`` cells; colours go on, further lines are indented.

    An indented line holds values: its further lines begin with a mark, and no blank is dropped.
    """
    width = max(LEAST, width)
    for one in line.replace("\t", TAB).split("\n"):
        if cells(one) <= width:
            yield one
        else:
            yield from _folded(one, width)


def _folded(line: str, width: int) -> Iterator[str]:
    from wcwidth import propagate_sgr
    from wcwidth.textwrap import SequenceTextWrapper

    text = _COLOUR.sub("", line)
    depth = len(text) - len(text.lstrip(" "))
    further = " " * min(depth + 4, width // 2)
    wrapper = SequenceTextWrapper(
        width,
        subsequent_indent=further + GOES_ON if depth else further,
        drop_whitespace=not depth,
        replace_whitespace=False,
        expand_tabs=False,
        break_on_hyphens=False,
    )
    if depth:
        wrapper.wordsep_simple_re = _WORD_WITH_BLANKS
    yield from propagate_sgr(wrapper.wrap(line))


def _graphemes(text: str) -> list[str]:
    """Split a text into characters as readers see them, each with its marks."""
    if text.isascii():
        return [*text]
    from wcwidth import iter_graphemes

    return [*iter_graphemes(text)]


def _fitting(graphemes: Iterable[str], room: int) -> str:
    """Return the first graphemes that fit into ``room`` cells, as one text."""
    found, taken = [], 0
    for one in graphemes:
        taken += cells(one)
        if taken > room:
            break
        found.append(one)
    return "".join(found)
