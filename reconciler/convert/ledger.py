"""The account of one input: every field of it ends as carried over, as a reference, or as left out with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from reconciler.errors import Path

Fate: TypeAlias = Literal["carried", "reference", "left"]
Told: TypeAlias = Literal["restriction", "reference", "left", "note"]
FATES: tuple[Fate, ...] = ("carried", "reference", "left")
MOST_INDEXED = 4
"""Steps of a path by which fields are found again."""
UNKNOWN = "reconciler has nothing that stands for this"


class ConvertFinding(Struct, frozen=True):
    """Something that a person should know: ``what`` is a fate, ``note``, or ``restriction`` for what changes what may be done.

    ``fields`` counts what lies below ``path``.

    ``detail`` differs between findings with one message: a new name, a reference.

    A message never repeats a value of the input: any of them may be a secret.
    """

    what: Told
    path: Path
    message: str
    fields: int
    detail: str = ""


class Ledger(Struct):
    """Fields are the values that are no filled map and no filled list; a path begins with the document's number."""

    value: list[Any]
    fates: dict[Path, Fate | None] = field(default_factory=dict)
    findings: list[ConvertFinding] = field(default_factory=list)
    _told: set[tuple[str, Path, str, str]] = field(default_factory=set)
    _by_start: dict[Path, list[Path]] | None = None

    def __post_init__(self) -> None:
        for document in self.documents():
            self.fates.update(dict.fromkeys((path for path, _value in leaves(document.value, document.path)), None))

    def documents(self) -> list[Node]:
        """Those that say something."""
        return [Node(value, (index,), self) for index, value in enumerate(self.value) if value is not None]

    def below(self, start: Path) -> list[Path]:
        """Return the paths of all fields below a place, that one included."""
        if self._by_start is None:
            self._by_start = {}
            for path in self.fates:
                for length in range(1, min(len(path), MOST_INDEXED) + 1):
                    self._by_start.setdefault(path[:length], []).append(path)
        near = self._by_start.get(start[:MOST_INDEXED], [])
        return [path for path in near if path[: len(start)] == start]

    def mark(self, node: Node, fate: Fate) -> int:
        """Set the fate of everything below a node; what was left out before stays so."""
        count = 0
        for path, _value in leaves(node.value, node.path):
            if self.fates.get(path, "left") != "left":
                self.fates[path] = fate
                count += 1
        return count

    def add(self, what: Told, path: Path, message: str, fields: int, detail: str = "") -> None:
        if (what, path, message, detail) not in self._told:
            self._told.add((what, path, message, detail))
            self.findings.append(ConvertFinding(what, path, message, fields, detail))

    def close(self) -> None:
        """Whatever nobody has looked at is left out, and said to be, in as few findings as possible."""
        for document in self.documents():
            for node in untouched(document):
                node.left(UNKNOWN)

    def count(self, fate: Fate) -> int:
        return sum(one == fate for one in self.fates.values())


class Node(Struct, frozen=True):
    """A value of an input and its place."""

    value: Any
    path: Path
    ledger: Ledger

    def get(self, key: str) -> Node | None:
        """Return what stands under a key of a map; None where there is nothing, or null."""
        if not isinstance(self.value, dict) or self.value.get(key) is None:
            return None
        return Node(self.value[key], (*self.path, key), self.ledger)

    def word(self, key: str) -> str:
        """Return the text under a key without carrying it over; empty where there is none."""
        found = self.get(key)
        return found.value if found is not None and isinstance(found.value, str) else ""

    def at(self, *keys: str) -> Node | None:
        found: Node | None = self
        for key in keys:
            found = found.get(key) if found is not None else None
        return found

    def fields(self) -> Iterator[tuple[str, Node]]:
        """Key and value of each field of a map; nothing for anything else."""
        for key, value in self.value.items() if isinstance(self.value, dict) else ():
            yield key, Node(value, (*self.path, key), self.ledger)

    def items(self) -> Iterator[Node]:
        """Yield the items of a list; nothing for anything else."""
        for index, value in enumerate(self.value if isinstance(self.value, list) else ()):
            yield Node(value, (*self.path, index), self.ledger)

    def each(self, *keys: str) -> list[Node]:
        """Return the items of the list at these keys; none where there is none."""
        found = self.at(*keys)
        return list(found.items()) if found is not None else []

    def carry(self) -> Any:
        """Return the value, which counts as carried over."""
        self.ledger.mark(self, "carried")
        return self.value

    def refer(self, message: str, detail: str) -> None:
        """Count as a reference: the manifest names where the value will be."""
        self.ledger.add("reference", self.path, message, self.ledger.mark(self, "reference"), detail)

    def left(self, reason: str) -> None:
        self.ledger.add("left", self.path, reason, max(1, self.ledger.mark(self, "left")))

    def restricts(self, reason: str) -> None:
        """Leave out a field that limits what may be done; its resource is switched off, or left out too."""
        self.ledger.add("restriction", self.path, reason, max(1, self.ledger.mark(self, "left")))

    def left_open(self, reason: str) -> None:
        """Leaves out what has no fate yet, in few findings."""
        for node in untouched(self):
            node.left(reason)

    def note(self, message: str, detail: str = "") -> None:
        self.ledger.add("note", self.path, message, 0, detail)

    def text(self, key: str) -> str | None:
        """Return the text under a key, carried over; what is no text is left out."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node.value, str):
            return str(node.carry())
        node.left("expected text")
        return None


def leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value that is no filled container, with its path; the reader has bounded the depth."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def untouched(node: Node) -> list[Node]:
    """Return the highest nodes of which nothing has a fate yet."""
    return _untouched(node)[1]


def _untouched(node: Node) -> tuple[bool, list[Node]]:
    """Whether nothing below a node has a fate yet, and the highest nodes of which that is so."""
    children = [child for _key, child in node.fields()] or list(node.items())
    if not children:
        is_open = node.ledger.fates[node.path] is None
        return is_open, [node] if is_open else []
    below = [_untouched(child) for child in children]
    if all(is_open for is_open, _nodes in below):
        return True, [node]
    return False, [found for _is_open, nodes in below for found in nodes]
