"""Find the comment of a line, which is among no parser's events: a ``#`` behind the last key or value of its line."""

from __future__ import annotations

import re

from reconciler.load.excerpt import BLOCK_HEADER
from reconciler.load.positions import Positions

_START = re.compile(r"(?:^|(?<=\s))#")


def comment_column(line: str, number: int, positions: Positions) -> int | None:
    """Return the column, from 0, at which the comment of a line starts: behind everything that is a key or a value."""
    end = 0
    for _, is_key, start, stop in positions.scalars_on(number):
        header = BLOCK_HEADER.match(line, start) if start and not is_key else None  # from column 0 a text goes on
        if header and stop >= len(line):
            stop = header.end()  # a text of several lines begins here: what follows its mark can only be a comment
        end = max(end, stop)
    match = _START.search(line, min(end, len(line)))
    return match.start() if match else None
