"""Extracts: what a chunk of a file declares, validated apart from everything else, as bytes."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from zlib import crc32

import orjson
from msgspec import Struct

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import paths_text
from reconciler.model.resource import Resource
from reconciler.model.selector import Selector


class Links(NamedTuple):
    """References of a chunk: the resource at position ``sources[i]`` names ``targets[i]``."""

    sources: list[int]
    targets: list[str]


class Extract(Struct, frozen=True, dict=True):
    """Resources by position, in three parts that are parsed when they are needed; each part is a JSON document.

    ``head``: names (addresses as text), digests, how many values the chunk holds and how many are copies, and what other chunks may decide: the
    targets that it does not declare, the positions of resources whose rules need more than the chunk, what its resources
    select by, what they may be selected by, and which tools were never pinned. ``links``: references. ``tail``: the bodies as canonical JSON, the places of their names, and which paths the author wrote.
    """

    head: bytes | memoryview
    links: bytes | memoryview
    tail: bytes | memoryview

    @cached_property
    def _head(self) -> Any:
        return orjson.loads(self.head)

    @property
    def names(self) -> list[str]:
        names: list[str] = self._head["names"]
        return names

    @property
    def digests(self) -> list[str]:
        digests: list[str] = self._head["digests"]
        return digests

    @property
    def nodes(self) -> int:
        """The size in values, as ``Document.size`` counts it, once for each tenant."""
        nodes: int = self._head["nodes"]
        return nodes

    @property
    def copies(self) -> int:
        """Of these, those beside what somebody wrote: for a document's further tenants."""
        copies: int = self._head["copies"]
        return copies

    @property
    def outward(self) -> list[str]:
        """Targets of references that the chunk does not declare itself."""
        outward: list[str] = self._head["outward"]
        return outward

    @property
    def open(self) -> list[int]:
        """Positions of the resources whose rules need more than the chunk."""
        positions: list[int] = self._head["open"]
        return positions

    @property
    def offers(self) -> Iterator[tuple[tuple[str, str], list[str]]]:
        """What selectors may use, as ``load.selectors`` gathers it: by tenant and noun, words."""
        for tenant, noun, words in self._head["offers"]:
            yield (tenant, noun), words

    @property
    def selecting(self) -> Iterator[tuple[Address, Selector]]:
        """What its resources select by."""
        for position, path, noun, text, optional in self._head["selecting"]:
            yield Address.of(self.names[position]), Selector(tuple(path), noun, text, optional)

    @property
    def unpinned(self) -> Iterator[tuple[Address, str]]:
        """Tools that were never pinned: the address of the connector, and the name, each place once."""
        for position, name in self._head["unpinned"]:
            yield Address.of(self.names[position]), name

    @property
    def says_nothing(self) -> bool:
        return not self.nodes

    @cached_property
    def linked(self) -> Links:
        return Links(**orjson.loads(self.links))

    @cached_property
    def _tail(self) -> Any:
        return orjson.loads(self.tail)

    def resource(self, position: int, file: str, before: int) -> Resource:
        """``file`` is the file's name and ``before`` the lines above the chunk."""
        tail, line = self._tail, self._tail["lines"][position]
        place = Place(file, None if line is None else line + before, tail["columns"][position])
        shape = _shape(tail["shapes"][tail["explicit"][position]])
        address = Address.of(self.names[position])
        return Resource(address, tail["texts"][position], place, shape, self.digests[position])

    def resources(self, file: str, before: int) -> Iterator[tuple[Address, Resource]]:
        """All of them, in the order of their positions."""
        tail, shapes = self._tail, [*map(_shape, self._tail["shapes"])]
        columns = (self.names, self.digests, tail["texts"], tail["lines"], tail["columns"], tail["explicit"])
        for name, digest, text, line, column, shape in zip(*columns, strict=True):
            address = Address.of(name)
            place = Place(file, None if line is None else line + before, column)
            yield address, Resource(address, text, place, shapes[shape], digest)

    @property
    def parts(self) -> tuple[bytes | memoryview, bytes | memoryview, bytes | memoryview]:
        return self.head, self.links, self.tail

    def pack(self) -> bytes:
        """As one text of bytes; ``unpacked`` reads it."""
        lengths = b"".join(len(part).to_bytes(8, "little") for part in self.parts)
        return b"".join((lengths, *self.parts))


def unpacked(data: bytes) -> Extract:
    """Parse what `Extract.pack` made; raises nothing for damaged parts, which are parsed later."""
    view, at, parts = memoryview(data), 24, []
    for number in range(3):
        length = int.from_bytes(view[number * 8 : number * 8 + 8], "little")
        parts.append(view[at : at + length])
        at += length
    return Extract(*parts)


def checksums(extract: Extract) -> tuple[int, int]:
    """CRC-32 of what is always read, and of the tail: a damaged file is no file."""
    return crc32(extract.links, crc32(extract.head)), crc32(extract.tail)


@lru_cache(maxsize=4096)
def _shape(text: str) -> frozenset[Path]:
    return frozenset(tuple(path) for path in orjson.loads(text))


class Outward(NamedTuple):
    """What of a chunk concerns other chunks.

    ``targets`` that it does not declare, positions of resources whose rules are ``open``, what its resources offer to selectors,
    what they select by, and the tools that were never pinned.
    """

    targets: list[str]
    open: list[int]
    offers: list[tuple[str, str, list[str]]]
    selecting: list[tuple[Any, ...]]
    unpinned: list[tuple[int, str]]


def made_of(resources: list[Resource], nodes: int, copies: int, links: Links, others: Outward) -> Extract:
    """Return the columns of resources whose places count from the beginning of their chunk."""
    shapes: dict[str, int] = {}
    head = {
        "names": ["/".join(r.address) for r in resources],
        "digests": [r.digest for r in resources],
        "nodes": nodes,
        "copies": copies,
        "outward": others.targets,
        "open": others.open,
        "offers": others.offers,
        "selecting": others.selecting,
        "unpinned": others.unpinned,
    }
    tail: dict[str, Any] = {
        "texts": [r.text for r in resources],
        "lines": [r.source.line if r.source else None for r in resources],
        "columns": [r.source.column if r.source else None for r in resources],
        "explicit": [shapes.setdefault(paths_text(r.explicit), len(shapes)) for r in resources],
    }
    tail["shapes"] = [*shapes]  # in the order of their numbers
    return Extract(orjson.dumps(head), orjson.dumps(links._asdict()), orjson.dumps(tail))
