"""Two values turned into the rows of a side-by-side diff: text by line, with marks inside of lines, and JSON by key.

A row is one of
    [0, n, m, text]         the same on both sides; n and m are line numbers
    [1, n, left, m, right]  changed; each side is a list of pieces, plain and marked in turn
    [2, n, text]            went
    [3, m, text]            came
    [4, n, m, texts]        the same on both sides, folded
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from reconciler.diff.visible import (
    told_apart,
    visible_indented,
    visible_lines,
    visible_pair,
    visible_path,
    visible_value,
)
from reconciler.model.body import dotted, leaves

DiffRow: TypeAlias = list[Any]
DiffPart: TypeAlias = dict[str, Any]
"""``p`` is the path below the field, ``n`` whether lines are numbered, ``r`` the rows."""

_CONTEXT = 3
_LONG = 72
_MOST_PAIRS = 400
_MOST_CELLS = 4_000_000
_MOST_TOKENS = 500_000
"""Tokens of one side times tokens of the other, for one block of changed lines: what is longer is not aligned, or marked."""
_ALIKE = 0.4
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_ABSENT = object()


def parts(op: str, before: Any, after: Any) -> list[DiffPart]:
    """``op`` is that of a field: add, remove or change."""
    left = _ABSENT if op == "add" else before
    right = _ABSENT if op == "remove" else after
    return [*_parts("", left, right)]


def _parts(path: str, left: Any, right: Any) -> Iterator[DiffPart]:
    sides = [side for side in (left, right) if side is not _ABSENT]
    if all(isinstance(side, dict) for side in sides) and any(sides):
        lefts, rights = (dict(leaves(side)) if isinstance(side, dict) and side else {} for side in (left, right))
        for key in sorted({**lefts, **rights}, key=dotted):
            one, other = lefts.get(key, _ABSENT), rights.get(key, _ABSENT)
            if one is _ABSENT or other is _ABSENT or visible_value(one) != visible_value(other):
                yield from _parts(visible_path(key), one, other)
        return
    is_text = all(isinstance(side, str) for side in sides)
    if is_text and any("\n" in side for side in sides):
        yield {"p": path, "n": 1, "r": line_rows(_lines(left), _lines(right))}
    elif all(isinstance(side, list) for side in sides) and any(len(visible_value(side)) > _LONG for side in sides):
        yield {"p": path, "n": 0, "r": line_rows(_items(left), _items(right))}
    elif left is _ABSENT:
        yield {"p": path, "n": 0, "r": [[3, 0, visible_value(right)]]}
    elif right is _ABSENT:
        yield {"p": path, "n": 0, "r": [[2, 0, visible_value(left)]]}
    else:
        marked = _marked(*visible_pair(left, right))
        yield {"p": path, "n": 0, "r": [[1, 0, marked[0], 0, marked[1]]]}


def _lines(text: Any) -> list[str]:
    return [] if text is _ABSENT else [*visible_lines(text)]


def _items(value: Any) -> list[str]:
    """One item on a line; a long one as indented JSON."""
    if value is _ABSENT:
        return []
    found = ["["]
    for item in value:
        line = visible_value(item)
        found.extend([line] if len(line) <= _LONG else visible_indented(item))
    return [*found, "]"]


def line_rows(left: list[str], right: list[str]) -> list[DiffRow]:
    """Rows for two texts by line; a change of very long texts is shown as one block."""
    rows: list[DiffRow] = []
    for op, i1, i2, j1, j2 in _opcodes(left, right):
        if op == "equal":
            rows.extend(_folded(left[i1:i2], i1, j1, first=i1 == 0, last=i2 == len(left)))
        else:
            rows.extend(_changed(*told_apart(left[i1:i2], right[j1:j2]), i1, j1))
    return rows


def _opcodes(left: list[str], right: list[str]) -> list[tuple[str, int, int, int, int]]:
    if len(left) * len(right) <= _MOST_CELLS:
        return [*SequenceMatcher(None, left, right, autojunk=False).get_opcodes()]
    start, shortest = 0, min(len(left), len(right))
    while start < shortest and left[start] == right[start]:
        start += 1
    end = 0
    while end < shortest - start and left[-1 - end] == right[-1 - end]:
        end += 1
    a, b = len(left), len(right)
    found = [
        ("equal", 0, start, 0, start),
        ("replace", start, a - end, start, b - end),
        ("equal", a - end, a, b - end, b),
    ]
    return [one for one in found if one[1] < one[2] or one[3] < one[4]]


def _folded(lines: list[str], i: int, j: int, first: bool, last: bool) -> Iterator[DiffRow]:
    head, tail = 0 if first else _CONTEXT, 0 if last else _CONTEXT
    if len(lines) <= head + tail + 1:
        head, tail = len(lines), 0
    hidden = lines[head : len(lines) - tail]
    yield from ([0, i + n + 1, j + n + 1, line] for n, line in enumerate(lines[:head]))
    if hidden:
        yield [4, i + head + 1, j + head + 1, hidden]
    start = len(lines) - tail
    yield from ([0, i + n + 1, j + n + 1, lines[n]] for n in range(start, len(lines)))


def _changed(left: list[str], right: list[str], i: int, j: int) -> Iterator[DiffRow]:
    for a, b in _pairs(left, right):
        if a is not None and b is not None:
            marked = _marked(left[a], right[b])
            yield [1, i + a + 1, marked[0], j + b + 1, marked[1]]
        elif a is not None:
            yield [2, i + a + 1, left[a]]
        elif b is not None:
            yield [3, j + b + 1, right[b]]


def _pairs(left: list[str], right: list[str]) -> list[tuple[int | None, int | None]]:
    """Lines that are alike stand beside each other: the alignment with the greatest likeness in all."""
    rows, columns = len(left), len(right)
    tokens = [_TOKEN.findall(line.strip()) for line in left], [_TOKEN.findall(line.strip()) for line in right]
    work = sum(map(len, tokens[0])) * sum(map(len, tokens[1]))
    if not rows or not columns or rows * columns > _MOST_PAIRS or work > _MOST_TOKENS:
        return [*((a, None) for a in range(rows)), *((None, b) for b in range(columns))]
    alike = [[SequenceMatcher(None, one, other, autojunk=False).ratio() for other in tokens[1]] for one in tokens[0]]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for a in reversed(range(rows)):
        for b in reversed(range(columns)):
            together = best[a + 1][b + 1] + alike[a][b] if alike[a][b] >= _ALIKE else 0.0
            best[a][b] = max(together, best[a + 1][b], best[a][b + 1])
    found: list[tuple[int | None, int | None]] = []
    a = b = 0
    while a < rows and b < columns:
        if alike[a][b] >= _ALIKE and best[a][b] == best[a + 1][b + 1] + alike[a][b]:
            found.append((a, b))
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            found.append((a, None))
            a += 1
        else:
            found.append((None, b))
            b += 1
    return [*found, *((n, None) for n in range(a, rows)), *((None, n) for n in range(b, columns))]


def _marked(left: str, right: str) -> tuple[list[str], list[str]]:
    """Both lines in pieces, plain and marked in turn; lines that are not alike have no marks."""
    one, other = _TOKEN.findall(left), _TOKEN.findall(right)
    if len(one) * len(other) > _MOST_TOKENS:
        return [left], [right]
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return [left], [right]
    lefts, rights = [""], [""]
    for op, i1, i2, j1, j2 in matcher.get_opcodes():
        for pieces, tokens in ((lefts, one[i1:i2]), (rights, other[j1:j2])):
            text = "".join(tokens)
            if op == "equal" and len(pieces) % 2:
                pieces[-1] += text
            elif text:
                pieces.append(text)
    return lefts, rights
