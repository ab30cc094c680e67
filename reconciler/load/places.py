"""Find again where resources are written, chunk by chunk; most loads need no line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path as FilePath

from reconciler.errors import Problems
from reconciler.load.build import build_resources
from reconciler.load.catalogue import Catalogue, addresses
from reconciler.load.chunks import Chunk
from reconciler.load.collect import Collector
from reconciler.load.draft import Draft
from reconciler.load.frame import Frame
from reconciler.load.source import parse_source, shown_name
from reconciler.model.address import Address


class Drafts(Mapping[Address, Draft]):
    """The drafts of a catalogue: those of ``pieces`` are made when one of them is asked for, ``others`` are there."""

    def __init__(
        self, catalogue: Catalogue, pieces: Sequence[Chunk], frame: Frame, others: Mapping[Address, Draft]
    ) -> None:
        self._catalogue, self._pieces, self._frame, self._others = catalogue, pieces, frame, others
        self._made: dict[int, Mapping[Address, Draft]] = {}

    def __getitem__(self, address: Address) -> Draft:
        if address in self._others:
            return self._others[address]
        found = self._catalogue.where(str(address))
        if found is None:
            raise KeyError(address)
        if found[0] not in self._made:
            self._made[found[0]] = self._read(self._pieces[found[0]])
        return self._made[found[0]][address]

    def _read(self, piece: Chunk) -> Mapping[Address, Draft]:
        problems = Problems()
        collector = Collector(self._frame.variables, self._frame.project.settings.default_tenant, problems.found)
        collector.add(parse_source(shown_name(FilePath(piece.file)), piece.in_place, problems, piece.file))
        # which also puts the project's defaults below the layers
        build_resources(collector, self._frame, problems.found)
        return collector.drafts

    @property
    def composed(self) -> int:
        """Return how many chunks were composed for their lines."""
        return len(self._made)

    def declared_in(self, files: Set[str]) -> Iterator[Address]:
        """Yield what is declared, wholly or in part, in one of these files."""
        yield from (
            address for address, draft in self._others.items() if draft.files & files and address in self._catalogue
        )
        for number, piece in enumerate(self._pieces):
            if piece.file in files:
                yield from addresses(self._catalogue.names_of(number))

    def __iter__(self) -> Iterator[Address]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @cached_property
    def _keys(self) -> list[Address]:
        return [*self._others, *(address for address in self._catalogue if address not in self._others)]
