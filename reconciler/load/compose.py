"""Compose drafts of the chunks without an extract, and of those that overlays or other chunks meet; and build them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import NamedTuple

from reconciler.errors import Problems
from reconciler.load.build import build_resources
from reconciler.load.catalogue import Catalogue, addresses
from reconciler.load.chunks import Chunk
from reconciler.load.collect import MAX_COPIES, Collector
from reconciler.load.extracts import Extracts
from reconciler.load.frame import Frame
from reconciler.load.inputs import Inputs, held_files
from reconciler.load.source import Source, parse_source, shown_name
from reconciler.model.address import Address
from reconciler.model.resource import Resource


class Composed(NamedTuple):
    """The chunks with an extract; of all others the drafts, and the resources of those that are valid.

    ``held`` are the files that the paths name, None for all.
    """

    plain: list[Chunk]
    collector: Collector
    resources: dict[Address, Resource]
    catalogue: Catalogue
    sources: Sequence[Source]
    held: set[str] | None

    @property
    def declared(self) -> set[Address]:
        """All that the drafts declare, invalid ones included."""
        return {address for address, draft in self.collector.drafts.items() if draft.body is not None}


class _Round(NamedTuple):
    """One attempt: the chunks that are ``opened``, what came of it, and the chunks that have to be opened as well."""

    plain: list[Chunk]
    collector: Collector
    resources: dict[Address, Resource]
    catalogue: Catalogue
    problems: Problems
    more: set[int]


def compose(
    paths: Sequence[str], inputs: Inputs, pieces: Sequence[Chunk], extracts: Extracts, frame: Frame, problems: Problems
) -> Composed:
    """Compose what has to be, add its problems, and say which files the paths name."""
    files = _Files(pieces, inputs, problems)
    opened = {number for number, piece in enumerate(pieces) if piece.key not in extracts}
    silent = files.silent(opened, extracts)
    held = held_files(frame.project, paths, inputs, silent, problems)
    while (round_ := _round(files, opened, extracts, frame)).more:
        opened |= round_.more
    problems.found += round_.problems.found
    plain, collector, resources, catalogue, _, _ = round_
    return Composed(plain, collector, resources, catalogue, [*files.sources()], held)


class _Files:
    """Sources of chunks and overlays, each parsed once."""

    def __init__(self, pieces: Sequence[Chunk], inputs: Inputs, problems: Problems) -> None:
        self.pieces = pieces
        self._problems = problems
        self._known: dict[int, Source] = {}
        self._broken: set[str] = set()
        self.overlays = [
            (number, self._parsed(Chunk(one.path, one.data)))
            for number, group in enumerate(inputs.groups[1:], 1)
            for one in group
        ]

    def _parsed(self, piece: Chunk) -> Source:
        before = len(self._problems.found)
        source = parse_source(shown_name(FilePath(piece.file)), piece.in_place, self._problems, piece.file)
        if len(self._problems.found) > before:
            self._broken.add(piece.file)
        return source

    def source(self, number: int) -> Source:
        """Return a chunk's source; problems of its syntax are added when it is parsed."""
        if number not in self._known:
            self._known[number] = self._parsed(self.pieces[number])
        return self._known[number]

    def sources(self) -> Iterator[Source]:
        yield from self._known.values()
        yield from (source for _, source in self.overlays)

    def silent(self, opened: set[int], extracts: Extracts) -> set[str]:
        """Return the files that hold no document; one that can't be parsed is not silent."""
        speaking = {source.path for _, source in self.overlays if not source.is_empty}
        for number, piece in enumerate(self.pieces):
            is_empty = self.source(number).is_empty if number in opened else extracts[piece.key].says_nothing
            if not is_empty:
                speaking.add(piece.file)
        every = {*(piece.file for piece in self.pieces), *(source.path for _, source in self.overlays)}
        return every - speaking - self._broken


def _round(files: _Files, opened: set[int], extracts: Extracts, frame: Frame) -> _Round:
    problems = Problems()
    collector = Collector(frame.variables, frame.project.settings.default_tenant, problems.found)
    for number in sorted(opened):
        collector.add(files.source(number))
    for layer, source in files.overlays:
        collector.add(source, layer)
    closed = [number for number in range(len(files.pieces)) if number not in opened]
    plain = [files.pieces[number] for number in closed]
    more: set[int] = set()
    if closed and collector.copies + sum(extracts[piece.key].copies for piece in plain) > MAX_COPIES:
        more = {*closed}  # the document that is too much for the budget is found by composing all
    elif collector.drafts:
        names = {*map(str, collector.drafts)}
        more = {number for number in closed if not names.isdisjoint(extracts[files.pieces[number].key].names)}
    resources: dict[Address, Resource] = {}
    if not more:
        resources = build_resources(collector, frame, problems.found, lambda: _addresses(plain, extracts))
    catalogue = Catalogue([(extracts[p.key], p.file, p.before) for p in plain], resources, frame.project.own_name)
    if not more and catalogue.has_duplicates:
        seen = Counter(str(address) for address in _addresses(plain, extracts))
        more = {n for n in closed if any(seen[name] > 1 for name in extracts[files.pieces[n].key].names)}
    return _Round(plain, collector, resources, catalogue, problems, more)


def _addresses(plain: Sequence[Chunk], extracts: Extracts) -> Iterator[Address]:
    for piece in plain:
        yield from addresses(extracts[piece.key].names)
