"""The comments of a file turned into allowances: which rules do not count on which line, and why."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from reconciler.load.comments import comment_column
from reconciler.load.positions import Positions
from reconciler.load.source import Source

_MARK = re.compile(r"#\s*lint\s*:")
_FORM = re.compile(r"allow\s+([a-z0-9-]{1,63}(?:\s*,\s*[a-z0-9-]{1,63})*)(?:\s+because(?:\s+(\S.*))?)?\s*\Z")
FORM = "# lint: allow RULE, RULE because REASON"
_LONGEST = 2000  # a comment is looked at no further


class Allowance(NamedTuple):
    """A comment at ``line`` and ``column`` of a file that is about the line ``about``; without ``rules`` it was not understood."""

    file: str
    line: int
    column: int
    about: int
    rules: tuple[str, ...] = ()
    reason: str = ""


def allowances(source: Source) -> Iterator[Allowance]:
    """Every comment of the file that begins with ``# lint:``."""
    if not _MARK.search(source.data.decode("utf-8", errors="replace")):
        return
    documents = [one for one in map(source.positions, range(len(source.documents))) if one.names]
    starts = [one.span(0)[0] for one in documents]
    waiting: list[Allowance] = []  # comments that stand on lines of their own, above what they are about
    for number, line in enumerate(source.lines, 1):
        text = line.strip()
        if waiting and not text.startswith("#"):
            yield from (one._replace(about=number) for one in waiting)
            waiting = []
        if not _MARK.search(line):
            continue
        index = max(0, bisect_right(starts, number - 1) - 1)
        column = comment_column(line, number, documents[index] if documents else Positions())
        if column is None or not (mark := _MARK.match(line, column)):
            continue
        found = _read(
            line[mark.end() : mark.end() + _LONGEST].strip(), Allowance(source.name, number, column + 1, number)
        )
        if text.startswith("#"):
            waiting.append(found)
        else:
            yield found
    yield from waiting


def _read(text: str, allowance: Allowance) -> Allowance:
    match = _FORM.match(text)
    if not match:
        return allowance
    rules = tuple(dict.fromkeys(part.strip() for part in match[1].split(",")))
    return allowance._replace(rules=rules, reason=(match[2] or "").strip())
