"""For each field of a resource: the generation, the person and the line that gave it its value."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body, get, has, leaves, same
from reconciler.model.history import History, PastChange
from reconciler.model.plan import Touch


class Blame(Struct, frozen=True):
    """One field, and who set it.

    ``generation`` is None for what was changed outside since the last apply, and for what is older than the history that was
    kept (``pruned``). ``default``: nobody wrote it, the tool filled it in.
    """

    path: Path
    value: object
    generation: int | None
    by: str
    at: str
    commit: str | None
    source: str | None
    pruned: bool = False
    default: bool = False


def blame(
    address: Address,
    uid: str,
    live: Body,
    touch: Touch,
    history: History,
) -> list[Blame]:
    """Follows the uid through its names; ``live`` is the normalised body as it is now."""
    mine = [c for c in history.changes if c.uid == uid and c.after is not None]
    found = []
    for path, value in leaves(live):
        origin: PastChange | None = None
        for change in mine:
            if change.after is None or not _same(change.after, path, value):
                origin = None
            elif origin is None:
                origin = change
        if origin is None:
            found.append(Blame(path, value, None, touch.by, touch.at, None, None))
            continue
        if origin.generation <= history.horizon and origin.before is not None and _same(origin.before, path, value):
            # the change that is kept found the value there already
            found.append(Blame(path, value, None, "unknown", "unknown", None, None, pruned=True))
            continue
        made = history.by_number[origin.generation]
        default = not _written(path, origin.explicit)
        source = None if default else origin.source_of(path)
        found.append(Blame(path, value, made.number, made.actor, made.at, made.commit, source, default=default))
    return found


def _written(path: Path, explicit: Collection[Path]) -> bool:
    """Whether an author wrote the field, the map that holds it, or something in it."""
    return any(path[: len(one)] == one or one[: len(path)] == path for one in explicit)


def _same(body: Body, path: Path, value: object) -> bool:
    return has(body, path) and same(get(body, path), value)
