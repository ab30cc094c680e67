"""Rows of texts turned into aligned lines, below a heading or without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.diff.visible import visible
from reconciler.render.width import cells, padded


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Without ``heads`` there is no heading. Columns are as wide as their widest cell on a terminal."""
    lines = [[head.upper() for head in heads]] if heads else []
    lines += [[_cell(text) for text in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        yield "  ".join(map(padded, row, [*widths[:-1], 0])).rstrip()


def _cell(text: str) -> str:
    """On one line: a name with a line break makes no row of its own."""
    return visible(text).replace("\n", "\\u000a").replace("\t", " ")
