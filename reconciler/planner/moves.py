"""Decides which ``moved`` entries still have something to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.live import Applied, Live


def active_moves(desired: Configuration, live: Live) -> dict[Address, Address]:
    """Where each of our live resources goes, for those that an entry renames.

    An entry is done once its ``from`` is gone, or once what lives at ``to`` came from there or was written while the
    entry had nothing to do (both are remembered, so that a swap that stays in git does not swap back, and does not
    swap what a new environment was given under the new names). Entries follow each other over names that are neither
    wanted nor live: a -> b, b -> c brings what is still called a to c.
    """
    steps = {move.old: move.new for move in desired.moves}
    found: dict[Address, Address] = {}
    for old in steps:
        if not live.owns(old) or _came_to(old, steps, live):
            continue
        new = steps[old]
        while new not in desired.resources and not live.owns(new) and new in steps and steps[new] != old:
            new = steps[new]
        found[old] = new
    # a target must be wanted and free (or become free), a name that stays wanted must be filled by another move
    while idle := [old for old, new in found.items() if not _fits(old, new, found, desired, live)]:
        for old in idle:
            del found[old]
    return found


def _came_to(old: Address, steps: dict[Address, Address], live: Live) -> bool:
    seen, new = {old}, steps.get(old)
    while new is not None and new not in seen:
        applied = live.applied.get(new)
        if live.owns(new) and applied is not None and _came_from(old, applied, steps[old] == new):
            return True
        seen.add(new)
        new = steps.get(new)
    return False


def _came_from(old: Address, applied: Applied, directly: bool) -> bool:
    return applied.moved_from == str(old) or (directly and mark(old) in applied.explicit)


def _fits(old: Address, new: Address, found: dict[Address, Address], desired: Configuration, live: Live) -> bool:
    free = not live.holds(new) or new in found
    return new in desired.resources and free and (old not in desired.resources or old in found.values())


def mark(old: Address) -> Path:
    """Remembers, among what the author wrote for a resource, an entry ``from`` this name that had nothing to do."""
    return "moved", old.name


def idle_moves(desired: Configuration, moves: Mapping[Address, Address]) -> dict[Address, Address]:
    """For the ``to`` of every entry that has nothing to do in this plan, its ``from``."""
    reached = set(moves.values())
    return {move.new: move.old for move in desired.moves if move.new not in reached}


def linked(moves: Mapping[Address, Address]) -> dict[Address, frozenset[Address]]:
    """For every address that a move leaves or reaches, all those that stand or fall with it: a chain or a circle."""
    came_from = {new: old for old, new in moves.items()}
    found: dict[Address, frozenset[Address]] = {}
    for start in moves:
        if start not in found:
            group = frozenset({start, *_walk(start, moves), *_walk(start, came_from)})
            found |= dict.fromkeys(group, group)
    return found


def _walk(start: Address, steps: Mapping[Address, Address]) -> Iterator[Address]:
    here = steps.get(start)
    while here is not None and here != start:
        yield here
        here = steps.get(here)
