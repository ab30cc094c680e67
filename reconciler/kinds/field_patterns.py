"""Patterns of field paths, as ignore rules write them, held against the fields that a spec has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from reconciler.kinds.schema import Part, Shape, fields_of, members_of
from reconciler.remembered import remembered

if TYPE_CHECKING:
    from pydantic import BaseModel

KEY, ANYTHING = "*", "**"
"""In place of a step: a key of a map, without dots; and any text, dots included."""
Steps: TypeAlias = tuple[str, ...]
_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
_ANY_ONE, _NO_DOT, _ANY_TEXT, _TEXT_WITHOUT_DOTS = "any", "no-dot", "any-text", "text-without-dots"
_REPEATED = {_ANY_TEXT: _ANY_ONE, _TEXT_WITHOUT_DOTS: _NO_DOT}


@cache
def paths_of(part: Part) -> frozenset[Steps]:
    """Every path of a model's fields, those of maps and parts included; a recursive model is open below itself."""
    return frozenset(_paths(Shape(part=part), frozenset()))


def _paths(shape: Shape, above: frozenset[Part]) -> Iterator[Steps]:
    for one in members_of(shape):
        if one.is_whole:
            continue
        if one.part in above or one.is_open:
            yield (ANYTHING,)
        elif one.part is not None:
            for name, field in fields_of(one.part).items():
                yield (name,)
                yield from ((name, *rest) for rest in _paths(field, above | {one.part}))
        elif one.values is not None:
            inner = [*_paths(one.values, above)]
            # what has nothing below it may have a key with dots, as labels do
            yield (KEY,) if inner else (ANYTHING,)
            yield from ((KEY, *rest) for rest in inner)


@remembered(4096)
def has_field(part: type[BaseModel], pattern: str) -> bool:
    """Whether a pattern with `*`, `?` and `[...]` may match one of a model's paths; `*` stands for any text, dots included."""
    literal = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return any(_begin_alike(literal, steps) and meet(pattern, steps) for steps in paths_of(part))


def _begin_alike(literal: str, steps: Steps) -> bool:
    """Whether a pattern that begins with a literal may match a path, as far as that shows at once."""
    begin = next((n for n, step in enumerate(steps) if step in (KEY, ANYTHING)), len(steps))
    known = ".".join(steps[:begin])
    return known.startswith(literal[: len(known)])


def meet(pattern: str, steps: Steps) -> bool:
    """Whether there is a text that both a pattern and a path with open steps match."""
    ours, theirs = _TOKEN.findall(pattern), [*_tokens(steps)]
    todo, seen = [(0, 0)], {(0, 0)}
    while todo:
        at, there = todo.pop()
        if at == len(ours) and there == len(theirs):
            return True
        for state in _following(ours, theirs, at, there):
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return False


def _tokens(steps: Steps) -> Iterator[str]:
    for number, step in enumerate(steps):
        yield from "." if number else ""
        if step == KEY:
            yield from (_NO_DOT, _TEXT_WITHOUT_DOTS)
        elif step == ANYTHING:
            yield from (_ANY_ONE, _ANY_TEXT)
        else:
            yield from step


def _following(ours: Sequence[str], theirs: Sequence[str], at: int, there: int) -> Iterator[tuple[int, int]]:
    """Yield the states of both after one more character, or after what stands for none."""
    mine, other = (texts[n] if n < len(texts) else None for texts, n in ((ours, at), (theirs, there)))
    if mine == "*":
        yield at + 1, there
        if other is not None:
            yield at, there + 1
    elif other in _REPEATED:
        yield at, there + 1
        if mine is not None and _alike(mine, _REPEATED[other]):
            yield at + 1, there
    elif mine is not None and other is not None and _alike(mine, other):
        yield at + 1, there + 1


def _alike(token: str, other: str) -> bool:
    """Whether one token of a pattern and one character of a path, or its class, may be the same."""
    if other == _ANY_ONE:
        return True
    return token != "." if other == _NO_DOT else fnmatchcase(other, token)  # noqa: S105
