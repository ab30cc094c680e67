"""What the form of a regular expression says of its matches: how long they are, of what characters, and what it needs to know.

The parser is Python's; the pattern has passed Rust's too (`template/pattern.py`), which is close to RE2's language.
"""

from __future__ import annotations

import re
import re._constants as c
import re._parser as parser
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MOST_WIDTH = 4096
"""Characters of a match in a stream: as many of each open stream may wait for the next ones."""
_WIDE = frozenset({c.ANY, c.NOT_LITERAL, c.ANY_ALL})
_REPEATS = frozenset({c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT})
_EDGES = frozenset({c.AT_BOUNDARY, c.AT_NON_BOUNDARY})


class PatternShape(NamedTuple):
    """``width`` is None without a greatest length. ``is_anchored``: it asks for the beginning or the end of a text or line.

    ``counts_wide``: it counts repetitions of a class of most characters, which costs memory without bound. ``characters`` is the
    inside of a class of all that a match may consist of; None for most of them.
    """

    width: int | None
    is_anchored: bool
    counts_wide: bool
    characters: str | None = None


def shape_of(pattern: str) -> PatternShape:
    """Return the shape of a pattern that compiles."""
    parsed = parser.parse(pattern)
    most = int(parsed.getwidth()[1])
    nodes = [*_nodes(parsed)]
    anchored = any(op is c.AT and argument not in _EDGES for op, argument in nodes)
    counted = any(
        op in _REPEATS and _counts(argument) and any(map(_is_wide, _nodes(argument[2]))) for op, argument in nodes
    )
    return PatternShape(most if most <= MOST_WIDTH else None, anchored, counted, _characters(pattern, nodes))


_CLASSES = {c.CATEGORY_DIGIT: "0-9", c.CATEGORY_WORD: "0-9A-Za-z_", c.CATEGORY_SPACE: " \\t\\n\\r\\f\\v"}


def _characters(pattern: str, nodes: Iterable[tuple[Any, Any]]) -> str | None:
    if "(?" in pattern.replace("(?:", ""):
        return None  # flags make one letter match another
    found = list[str]()
    for op, argument in nodes:
        for one, value in argument if op is c.IN else [(op, argument)]:
            if one in {*_WIDE, c.NEGATE} or (one is c.CATEGORY and value not in _CLASSES):
                return None
            if one is c.LITERAL:
                found.append(re.escape(chr(value)))
            elif one is c.RANGE:
                found.append("-".join(re.escape(chr(end)) for end in value))
            elif one is c.CATEGORY:
                found.append(_CLASSES[value])
    return "".join(found) or None


def _counts(repeat: Any) -> bool:
    least, most, _ = repeat
    return int(least) > 1 or (most is not c.MAXREPEAT and int(most) > 1)


def _is_wide(node: tuple[Any, Any]) -> bool:
    op, argument = node
    if op is c.IN:
        return argument[0][0] is c.NEGATE or any(one is c.RANGE and value[1] > 0x7F for one, value in argument)
    return op in _WIDE


def _nodes(parsed: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every node of a parsed pattern, those inside of others too."""
    for op, argument in parsed:
        yield op, argument
        if op in _REPEATS:
            yield from _nodes(argument[2])
        elif op is c.SUBPATTERN:
            yield from _nodes(argument[3])
        elif op is c.BRANCH:
            for one in argument[1]:
                yield from _nodes(one)
        elif op is c.ATOMIC_GROUP:
            yield from _nodes(argument)
