"""Which resource refers to which, as pairs of addresses in text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.kinds.table import KINDS
from reconciler.model.resource import IndexedState, State


def links_of(resources: State) -> Iterable[tuple[str, str]]:
    """Return (referring, referred to) for every reference; a pair may come twice."""
    return resources.links() if isinstance(resources, IndexedState) else links_in_bodies(resources)


def links_in_bodies(resources: State) -> Iterator[tuple[str, str]]:
    """Yield what `links_of` does, read from the bodies."""
    for address, resource in resources.items():
        kind = KINDS[address.kind]
        for reference in kind.references_of(address.tenant, resource.body) if kind.references else ():
            yield str(address), str(reference.address)
