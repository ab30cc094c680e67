"""The changes of a project, replayed into what it managed at the end of a generation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import TypeVar

from msgspec import Struct

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.history import PastChange

GONE = frozenset({"delete", "forget"})
V = TypeVar("V")


class Managed(Struct, frozen=True):
    """One resource as it was applied: its uid, body, and the paths that its author wrote."""

    uid: str
    body: Body
    explicit: frozenset[Path]
    source: str | None
    spec_version: int = 1


def managed_at(changes: Iterable[PastChange], generation: int) -> dict[Address, Managed]:
    """Return what was managed at a generation, from all ``changes`` up to it, in order of generation and position."""
    upto = (change for change in changes if change.generation <= generation)
    return {address: managed for address, (_, managed) in replayed(upto, _managed).items()}


def _managed(change: PastChange) -> Managed:
    assert change.after is not None
    return Managed(change.uid, change.after, change.explicit, change.source, change.spec_version)


def replayed(changes: Iterable[PastChange], value_of: Callable[[PastChange], V]) -> dict[Address, tuple[str, V]]:
    """Return the uid of each resource that is managed after all changes, and what ``value_of`` makes of its last one.

    ``changes`` are in order of generation and position, and are read once.
    """
    state: dict[Address, tuple[str, V]] = {}
    places: dict[tuple[str, str], Address] = {}
    for _, group in groupby(changes, lambda change: change.generation):
        step = [*group]
        # names are left before they are taken: a swap takes both
        for change in step:
            if change.previous:
                state.pop(change.previous, None)
            if change.action in GONE:
                state.pop(change.address, None)
        for change in step:
            if change.action not in GONE and change.after is not None:
                life = change.address.tenant, change.uid
                there = places.get(life)
                if there in state and state[there][0] == change.uid:
                    # somebody renamed it, and we took it over under its new name: it is no longer at the old one
                    del state[there]
                places[life] = change.address
                state[change.address] = change.uid, value_of(change)
    return state
