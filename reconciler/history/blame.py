"""For each field of a resource: the generation, the person and the line that gave it its value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body, get, has, leaves
from reconciler.model.history import Generation, PastChange
from reconciler.model.plan import Touch


@dataclass(frozen=True, slots=True)
class Blame:
    """One field; ``generation`` is None for what was changed outside since the last apply."""

    path: Path
    value: object
    generation: int | None
    by: str
    at: str
    commit: str | None
    source: str | None


def blame(
    address: Address,
    uid: str,
    live: Body,
    touch: Touch,
    changes: Iterable[PastChange],
    generations: Mapping[int, Generation],
) -> list[Blame]:
    """Follows the uid through its names; ``live`` is the normalised body as it is now."""
    mine = [c for c in changes if c.uid == uid and c.after is not None]
    found = []
    for path, value in leaves(live):
        origin: PastChange | None = None
        for change in mine:
            same = has(change.after, path) and get(change.after, path) == value
            if not same:
                origin = None
            elif origin is None:
                origin = change
        if origin is None:
            found.append(Blame(path, value, None, touch.by, touch.at, None, None))
            continue
        made = generations[origin.generation]
        found.append(Blame(path, value, made.number, made.actor, made.at, made.commit, origin.source))
    return found
