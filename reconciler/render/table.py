"""Rows of texts turned into aligned lines below a heading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.render.style import safe


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    lines = [[head.upper() for head in heads], *([_cell(text) for text in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cell(text: str) -> str:
    """On one line: a name with a line break makes no row of its own."""
    return safe(text).replace("\n", "\\u000a").replace("\t", " ")
