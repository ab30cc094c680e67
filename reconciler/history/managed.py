"""The changes of a project, replayed into what it managed at the end of a generation."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.history import PastChange

GONE = frozenset({"delete", "forget"})


class Managed(Struct, frozen=True):
    """One resource as it was applied: its uid, body, and the paths that its author wrote."""

    uid: str
    body: Body
    explicit: frozenset[Path]
    source: str | None
    spec_version: int = 1


def managed_at(changes: Iterable[PastChange], generation: int) -> dict[Address, Managed]:
    """``changes`` are in order of generation and position; the whole history up to ``generation`` is needed."""
    state: dict[Address, Managed] = {}
    places: dict[tuple[str, str], Address] = {}
    pending: dict[int, list[PastChange]] = {}
    for change in changes:
        if change.generation <= generation:
            pending.setdefault(change.generation, []).append(change)
    for number in sorted(pending):
        step = pending[number]
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
                if there in state and state[there].uid == change.uid:
                    # somebody renamed it, and we took it over under its new name: it is no longer at the old one
                    del state[there]
                places[life] = change.address
                state[change.address] = Managed(
                    change.uid, change.after, change.explicit, change.source, change.spec_version
                )
    return state
