"""Orders changes: what is depended upon first, deletions last and the other way round."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from reconciler.planner.needs import Needs


def ordered(changes: Iterable[Change], needs: Needs) -> tuple[Change, ...]:
    """The same changes always give the same order, whatever order they come in."""
    depth = _depths(needs)

    def key(change: Change) -> tuple[int, int, Address]:
        if change.action is Action.DELETE or change.action is Action.FORGET:
            return 1, -depth[change.address], change.address
        return 0, depth[change.address], change.address

    return tuple(sorted(changes, key=key))


def _depths(needs: Needs) -> dict[Address, int]:
    """How many steps of dependencies stand below each; linear, without recursion, a circle counts once."""
    depth: dict[Address, int] = {}
    for start in sorted(needs):
        stack, open_ = [start], set[Address]()
        while stack:
            current = stack[-1]
            pending = [n for n in needs[current] if n in needs and n not in depth and n not in open_]
            if current not in depth and pending and current not in open_:
                open_.add(current)
                stack.extend(pending)
                continue
            stack.pop()
            open_.discard(current)
            if current not in depth:
                depth[current] = 1 + max((depth.get(n, -1) for n in needs[current]), default=-1)
    return depth
