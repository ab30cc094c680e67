"""A State over extracts, which builds a resource when it is asked for: unchanged ones cost a name and a digest."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter

from reconciler.kinds.links import links_in_bodies
from reconciler.load.extract import Extract
from reconciler.model.address import Address
from reconciler.model.resource import IndexedState, Resource


class Catalogue(IndexedState):
    """``extracts`` with the file and the lines above each; ``others`` are resources that no extract has.

    ``own_name`` names a file as the places of resources do.
    """

    def __init__(
        self,
        extracts: Sequence[tuple[Extract, str, int]],
        others: Mapping[Address, Resource],
        own_name: Callable[[str], str],
    ) -> None:
        self._extracts = extracts
        self._others = others
        names = [*chain.from_iterable(extract.names for extract, _, _ in extracts), *map(str, others)]
        digests = chain.from_iterable(extract.digests for extract, _, _ in extracts)
        self.digests = dict(zip(names, chain(digests, (one.digest for one in others.values())), strict=True))
        """By name, the address as text."""
        self.has_duplicates = len(self.digests) != len(names)
        self._own_name = own_name
        self._places: dict[str, tuple[int, int]] | None = None

    def where(self, name: str) -> tuple[int, int] | None:
        """Return the number of the extract that has a resource, and its position there."""
        if self._places is None:
            self._places = {
                each: (number, position)
                for number, (extract, _, _) in enumerate(self._extracts)
                for position, each in enumerate(extract.names)
            }
        return self._places.get(name)

    def __getitem__(self, address: Address) -> Resource:
        if (other := self._others.get(address)) is not None:
            return other
        found = self.where(str(address))
        if found is None:
            raise KeyError(address)
        extract, file, before = self._extracts[found[0]]
        return extract.resource(found[1], self._own_name(file), before)

    def items(self) -> ItemsView[Address, Resource]:
        return _Items(self)

    def pairs(self) -> list[tuple[Address, Resource]]:
        """All resources with their addresses, in key order; looking up each would take several times as long."""
        found = [
            pair for extract, file, before in self._extracts for pair in extract.resources(self._own_name(file), before)
        ]
        return sorted((*found, *self._others.items()), key=itemgetter(0))

    def __contains__(self, address: object) -> bool:
        return str(address) in self.digests

    def __len__(self) -> int:
        return len(self.digests)

    def __iter__(self) -> Iterator[Address]:
        """In key order."""
        return iter(sorted(addresses(self.digests)))

    def names_of(self, number: int) -> list[str]:
        return self._extracts[number][0].names

    def links(self) -> Iterator[tuple[str, str]]:
        for extract, _, _ in self._extracts:
            names, linked = extract.names, extract.linked
            yield from zip((names[i] for i in linked.sources), linked.targets, strict=True)
        yield from links_in_bodies(self._others)


class _Items(ItemsView[Address, Resource]):
    _mapping: Catalogue

    def __iter__(self) -> Iterator[tuple[Address, Resource]]:
        yield from self._mapping.pairs()


def addresses(names: Iterable[str]) -> list[Address]:
    """Parse addresses, in their order."""
    return [Address.of(name) for name in names]
