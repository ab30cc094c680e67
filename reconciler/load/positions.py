"""Turns the bytes of one YAML file into the places of every key and value, read only for a file that has an error."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.errors import Path
from reconciler.load.documents import MAX_DEPTH
from reconciler.load.keys import MERGE, UNUSABLE

NOTHING = -1
LINE_END = sys.maxsize
KEY, VALUE = 0, 4
"""Where the span of a key, and of what it names, begins in a row: line, column, line and column of the end."""
ROW = 8
_NO_KEY = (NOTHING,) * 4


class Spot(NamedTuple):
    """Lines and columns count from 1; ``width`` columns stand within the line."""

    line: int
    column: int
    width: int


class Positions:
    """The nodes of one document in the order of the file, one row of numbers each.

    Rows of numbers instead of objects, because a file may hold millions of nodes. The children of a node follow it;
    ``after`` is the row behind the last of them, so that a search steps from sibling to sibling.
    """

    def __init__(self) -> None:
        self.names: list[str | int] = []  # of the node within its parent
        self.parents = array("i")
        self.after = array("i")
        self.targets = array("i")  # the node that an alias stands for, or NOTHING
        self.scalar = bytearray()  # whether the node is a scalar or an alias
        self.indexes: dict[int, dict[str | int, int]] = {}
        self.spans = array("i")  # a row for each node; the key's line is NOTHING where there is no key

    # -- building

    def add(self, name: str | int, parent: int, key: Any, event: Any, *, scalar: bool) -> int:
        node = len(self.names)
        self.names.append(name)
        self.parents.append(parent)
        self.after.append(node + 1)
        self.targets.append(NOTHING)
        self.scalar.append(scalar)
        start, end = event.start_mark, event.end_mark
        if key is None:
            self.spans.extend(_NO_KEY)
        else:
            key_start, key_end = key.start_mark, key.end_mark
            self.spans.extend((key_start.line, key_start.column, key_end.line, key_end.column))
        self.spans.extend((start.line, start.column, end.line, end.column))
        return node

    def span(self, node: int, of: int = VALUE) -> tuple[int, int, int, int]:
        """Return line and column of start and end, all from 0, of a node's value or its KEY."""
        line, column, end_line, end = self.spans[node * ROW + of : node * ROW + of + 4]
        return line, column, end_line, end

    # -- looking up

    def key(self, path: Path) -> Spot | None:
        """Where the key stands; for an item of a list, where the item starts."""
        node = self._find(path)
        return None if node is None else self._key_spot(node)

    def value(self, path: Path) -> Spot | None:
        """Where the value starts."""
        node = self._find(path)
        return None if node is None else self._spot(node, VALUE)

    def lines_of(self, path: Path) -> tuple[int, int]:
        """Return the lines, from 1, on which the key or the item starts and its value ends; 1 and 1 for what is not there."""
        node = self._find(path)
        return (1, 1) if node is None else (self._key_spot(node).line, self.span(node)[2] + 1)

    def nearest(self, path: Path, on_key: bool = False) -> Spot:
        """Return the place of the path, or for what is missing the key of the innermost thing around it that is there."""
        if not self.names:
            return Spot(1, 1, 1)
        node = 0
        for name in path:
            child = self._child(node, name)
            if child is None:
                return self._key_spot(node)
            node = child
        return self._key_spot(node) if on_key else self._spot(node, VALUE)

    def scalars_on(self, line: int, before: int = LINE_END) -> list[tuple[Path, bool, int, int]]:
        """Every key and every scalar value that touches the line: path, is it a key, columns from 0, half-open.

        Only what starts before the column ``before``: a file of one line may hold all of its nodes there.
        """
        found: list[tuple[Path, bool, int, int]] = []
        line -= 1
        for node in self._nodes_on(line):
            if self.span(node)[0] == line and self.span(node)[1] >= before:
                key_line, key_column, _, _ = self.span(node, KEY)
                if key_line == line and key_column < before:
                    found += self._scalars_of(node, line)
                break
            found += self._scalars_of(node, line)
        return sorted(found, key=lambda scalar: scalar[2])

    def _scalars_of(self, node: int, line: int) -> Iterator[tuple[Path, bool, int, int]]:
        path = self.path(node)
        first, _, last, _ = self.span(node, KEY)
        if first != NOTHING and (columns := self._columns(node, KEY, line)):
            is_key = first == last  # no key that anybody means goes over several lines
            yield (path if is_key else (), is_key, *columns)
        if self.scalar[node] and (columns := self._columns(node, VALUE, line)):
            yield (path, False, *columns)

    def path(self, node: int) -> Path:
        """Return the path of a node where it is written; what stands inside of ``<<`` belongs to the mapping around it."""
        path: list[str | int] = []
        while node > 0:
            parent = self.parents[node]
            if self.names[node] is MERGE:
                path = path[1:] if path and type(path[0]) is int else path
            else:
                path.insert(0, self.names[node])
            node = parent
        return tuple(path)

    def _find(self, path: Path) -> int | None:
        node: int | None = 0 if self.names else None
        for name in path:
            if node is None:
                break
            node = self._child(node, name)
        return node

    def _children(self, node: int) -> dict[str | int, int]:
        """By name; of a key that is written twice the last one counts, as in the document."""
        if node not in self.indexes:
            children: dict[str | int, int] = {}
            child = node + 1
            while child < self.after[node]:
                children[self.names[child]] = child
                child = self.after[child]
            self.indexes[node] = children
        return self.indexes[node]

    def _child(self, node: int, name: str | int) -> int | None:
        """Return the child as readers of the document see it: written out, or else the first that a ``<<`` brings."""
        waiting, visited = [node], set[int]()
        while waiting:
            node = self._meant(waiting.pop())
            if node in visited:
                continue
            visited.add(node)
            children = self._children(node)
            if name in children:
                return children[name]
            if MERGE in children:
                source = self._meant(children[MERGE])
                items = self._children(source)
                waiting += reversed(items.values()) if 0 in items else [source]
        return None

    def _meant(self, node: int) -> int:
        return node if self.targets[node] == NOTHING else self.targets[node]

    def _key_spot(self, node: int) -> Spot:
        return self._spot(node, KEY if self.span(node, KEY)[0] != NOTHING else VALUE)

    def _spot(self, node: int, of: int) -> Spot:
        line, column, end_line, end = self.span(node, of)
        within = line == end_line and (of == KEY or self.scalar[node])
        return Spot(line + 1, column + 1, max(1, end - column) if within else 1)

    def _columns(self, node: int, of: int, line: int) -> tuple[int, int] | None:
        """Return what of the line the key or the value covers."""
        first, start, last, end = self.span(node, of)
        if not first <= line <= last:
            return None
        start, end = start if line == first else 0, end if line == last else LINE_END
        return (start, end) if end > start else None

    def _nodes_on(self, line: int) -> Iterator[int]:
        """Nodes start in the order of the file, so only the last of those before the line may reach into it."""
        starts = _Starts(self)
        first = bisect_left(starts, line)
        # A key may stand lines above its value: then the value starts behind the line that the key is on.
        yield from range(max(0, first - 1), min(bisect_right(starts, line) + 1, len(starts)))


class _Starts(Sequence[int]):
    """The lines on which the nodes start, in the order of the file."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions.names)

    def __getitem__(self, node: Any) -> Any:
        return self._positions.spans[node * ROW + VALUE]


def read_all_positions(data: bytes) -> list[Positions]:
    """Return the positions of every document, in one go, up to where the file can be read."""
    found = [Positions()]
    with suppress(Exception):
        get = CParser(data).get_event
        while _read(get, 0, found[-1]):
            found.append(Positions())
    return found


def read_positions(data: bytes, index: int) -> Positions:
    """Return the positions of the document ``index``, up to where the file can be read."""
    positions = Positions()
    # Whatever it is, whoever read the document has reported it.
    with suppress(Exception):
        _read(CParser(data).get_event, index, positions)
    return positions


def _read(get: Callable[[], Any], index: int, positions: Positions) -> bool:
    """Read the document ``index`` of those that follow; says whether the file may be read on."""
    while index:
        index -= type(event := get()) is DocumentEndEvent
        if type(event) is StreamEndEvent:
            return False
    anchors: dict[str, tuple[int, str]] = {}  # the node, and what it is as a key
    open_nodes: list[int] = []  # from the outermost container inwards
    counts: list[int] = []  # the items so far of each open list; NOTHING for a mapping
    key: Any = None  # the event of the key whose value is next
    name: str = ""
    try:
        while type(event := get()) not in (DocumentEndEvent, StreamEndEvent):
            kind = type(event)
            if kind is MappingEndEvent or kind is SequenceEndEvent:
                positions.after[open_nodes.pop()] = len(positions.names)
                counts.pop()
                continue
            if kind not in (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent):
                continue
            if counts and counts[-1] == NOTHING and key is None:
                key, name = event, _key_text(event, anchors)
                if kind is ScalarEvent and event.anchor is not None:
                    anchors[event.anchor] = (NOTHING, event.value)
                elif name is UNUSABLE:
                    _skip(get, kind)
                continue
            parent = open_nodes[-1] if open_nodes else NOTHING
            step: str | int = name
            if counts and counts[-1] != NOTHING:
                step = counts[-1]
                counts[-1] += 1
            node = positions.add(step, parent, key, event, scalar=kind in (ScalarEvent, AliasEvent))
            key = None
            if kind is AliasEvent:
                positions.targets[node] = anchors.get(event.anchor, (NOTHING, ""))[0]
                continue
            if event.anchor is not None:
                anchors[event.anchor] = (node, event.value if kind is ScalarEvent else UNUSABLE)
            if kind is not ScalarEvent:
                open_nodes.append(node)
                counts.append(NOTHING if kind is MappingStartEvent else 0)
                if len(open_nodes) > MAX_DEPTH:
                    return False
        return type(event) is DocumentEndEvent
    finally:
        for node in open_nodes:
            positions.after[node] = len(positions.names)


def _key_text(event: Any, anchors: dict[str, tuple[int, str]]) -> str:
    if type(event) is ScalarEvent:
        is_merge = event.value == "<<" and event.implicit[0] and event.tag is None and event.anchor is None
        return MERGE if is_merge else event.value
    return anchors.get(event.anchor or "", (NOTHING, UNUSABLE))[1] if type(event) is AliasEvent else UNUSABLE


def _skip(get: Callable[[], Any], kind: type) -> None:
    """Read over a mapping or list that stands where a key is expected."""
    depth = int(kind in (MappingStartEvent, SequenceStartEvent))
    while depth:
        kind = type(get())
        depth += kind in (MappingStartEvent, SequenceStartEvent)
        depth -= kind in (MappingEndEvent, SequenceEndEvent)
