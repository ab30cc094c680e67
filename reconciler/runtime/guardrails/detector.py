"""The noun of detectors: how one form of text is found, and how much of a stream has to wait for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

Span: TypeAlias = tuple[int, int]


class Detector(NamedTuple):
    """Finds one form of text.

    ``find`` returns the first match that begins at or after a position, the longest of those that begin there. What it
    returns depends on one character before the match, the match, and one character behind it. ``tail`` returns where a match
    may begin that more text could complete, lengthen or take back: matches that begin before it are settled. ``width`` is
    the most characters of a match; None where there is no such bound, so that no stream can be searched.
    """

    name: str
    find: Callable[[str, int], Span | None]
    tail: Callable[[str], int]
    width: int | None


def run_tail(characters: str, width: int, first: str) -> Callable[[str], int]:
    """Return a ``tail`` for matches of certain characters: the run of them at the end, as long as a match can be.

    A match begins with one of ``first``.
    """
    run, begin = re.compile(f"[{characters}]*"), re.compile(f"[{first}]")

    def tail(text: str) -> int:
        end = len(text)
        if not end or run.match(text, end - 1).end() != end:  # type: ignore[union-attr]
            return end
        length = run.match(text[-width:][::-1]).end()  # type: ignore[union-attr]
        found = begin.search(text, end - length)
        return end if found is None else found.start()

    return tail


def begins_tail(begin: re.Pattern[str], width: int) -> Callable[[str], int]:
    """Return a ``tail`` for matches that begin with a certain text: ``begin`` matches each beginning of one at the end."""

    def tail(text: str) -> int:
        found = begin.search(text, max(0, len(text) - width))
        return len(text) if found is None else found.start()

    return tail
