"""Judge the rules that look outside of a chunk: a ruling stands as long as everything that it looked at is the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from reconciler.batches import Map
from reconciler.kinds.fit import Fits
from reconciler.load.cache import Ruling
from reconciler.load.catalogue import Catalogue
from reconciler.model.address import Address
from reconciler.model.resource import Resource
from reconciler.processes import forked

WORTH_A_PROCESS = 2000
"""Resources to judge; below that, a process of its own costs more than it saves."""


class Rulings(NamedTuple):
    """Rulings by the names of resources that fit, and the names of those that don't."""

    fitting: dict[str, Ruling]
    misfits: list[str]


def judge_open(names: Iterable[str], catalogue: Catalogue, known: Mapping[str, Ruling]) -> Rulings:
    """Judge the named resources of a catalogue; what stands of the ``known`` rulings is not judged again."""
    digests = catalogue.digests
    found = Rulings({}, [])
    todo: list[str] = []
    for name in names:
        ruling = known.get(name)
        if ruling is not None and ruling[0] == digests[name] and _stands(ruling, digests):
            found.fitting[name] = ruling
        else:
            todo.append(name)

    fits = Fits()

    def work(name: str) -> bytes | None:
        looked: dict[str, str] = {}

        def lookup(address: Address) -> Resource | None:
            looked[str(address)] = digests.get(str(address), "")
            return catalogue.get(address)

        resource = catalogue[Address.of(name)]
        if fits.misfits(resource, lookup):
            return None
        return orjson.dumps([resource.digest, *(part for pair in looked.items() for part in pair)])

    mapper: Map = forked if len(todo) > WORTH_A_PROCESS else map
    for name, packed in zip(todo, mapper(work, todo), strict=True):
        if packed is None:
            found.misfits.append(name)
        else:
            found.fitting[name] = orjson.loads(packed)
    return found


def _stands(ruling: Ruling, digests: Mapping[str, str]) -> bool:
    return all(digests.get(ruling[at], "") == ruling[at + 1] for at in range(1, len(ruling), 2))
