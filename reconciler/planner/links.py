"""Who refers to whom in a configuration: from its index where it has one, otherwise from the bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reconciler.kinds.table import KINDS
from reconciler.model.configuration import Configuration


def links_of(configuration: Configuration) -> Iterable[tuple[str, str]]:
    """Pairs of addresses as text: what refers, and what it refers to; a pair may come twice."""
    index: Callable[[], Iterable[tuple[str, str]]] | None = getattr(configuration.resources, "links", None)
    return _walked(configuration) if index is None else index()


def _walked(configuration: Configuration) -> Iterator[tuple[str, str]]:
    for address, resource in configuration.resources.items():
        kind = KINDS[address.kind]
        for reference in kind.references_of(address.tenant, resource.body) if kind.references else ():
            yield str(address), str(reference.address)
