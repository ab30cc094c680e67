"""The source text of one scalar turned into its canonical text: the same value, indented anew."""

from __future__ import annotations

import re
from typing import NamedTuple

HEADER = re.compile(r"([|>])([-+0-9]*)[ \t]*(#[^\n]*)?\n?")
STEP = 2


class Block(NamedTuple):
    """A block scalar: its header, the comment in the header, its lines, and whether blank lines followed that say nothing."""

    header: str
    comment: str | None
    lines: list[str]
    blank: bool


def inline(source: str, indent: int) -> str:
    """Return a plain or quoted scalar; ``indent`` is for its lines from the second one on."""
    if source[0] == "'" and '"' not in source and "\\" not in source:
        source = '"' + source[1:-1].replace("''", "'") + '"'
    if "\n" not in source:
        return source
    first, *others = source.split("\n")
    lines = [_trimmed(first, source[0]), *(_trimmed(line.lstrip(" \t"), source[0]) for line in others[:-1])]
    lines.append(others[-1].lstrip(" \t"))
    margin = " " * indent
    return "\n".join([lines[0], *(margin + line if line else "" for line in lines[1:])])


def _trimmed(line: str, quote: str) -> str:
    """Without the white space at its end, which is folded away; but `\\` and a space are an escape in double quotes."""
    short = line.rstrip(" \t")
    slashes = len(short) - len(short.rstrip("\\"))
    return line[: len(short) + 1] if quote == '"' and slashes % 2 else short


def block(source: str, parent: int, indent: int) -> Block:
    """``parent`` is the column of the collection around it in the source, or -1; ``indent`` is for its lines."""
    found = HEADER.match(source)
    assert found is not None
    style, indicators, comment = found.groups()
    digit = "".join(filter(str.isdigit, indicators))
    chomp = indicators.replace(digit, "") if digit else indicators
    body = source[found.end() :]
    lines = body.removesuffix("\n").split("\n") if body else []
    margin = max(parent, 0) + int(digit) if digit else max(_detected(lines), parent + 1, 1)
    lines = [line[margin:] for line in lines]
    if lines and lines[-1] and not body.endswith("\n"):
        chomp = "-"  # without the end of the last line there is none in the value, whatever was asked for
    blank = False
    while chomp != "+" and lines and not lines[-1]:
        lines.pop()
        blank = True
    space = " " * indent
    header = f"{style}{STEP if digit else ''}{chomp}"
    return Block(header, comment, [space + line if line else "" for line in lines], blank)


def _detected(lines: list[str]) -> int:
    """Return the indentation that readers find where the header names none: blank lines before the text count too."""
    widest = 0
    for line in lines:
        text = line.lstrip(" ")
        widest = max(widest, len(line) - len(text))
        if text:
            break
    return widest
