"""Orders changes: what is depended upon first, deletions last and the other way round."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from reconciler.planner.needs import Needs


def ordered(changes: Iterable[Change], needs: Needs) -> tuple[Change, ...]:
    """Sort changes; the same ones get the same order, whatever order they come in."""
    depth = _depths(needs)
    steps: dict[tuple[int, int], list[Change]] = {}
    changes = [*changes]
    reached = {change.address for change in changes if change.previous}
    for change in changes:
        if change.action is Action.DELETE and change.address in reached:
            step = -1, 0  # its name has to be free for what moves there
        elif change.action is Action.DELETE or change.action is Action.FORGET:
            step = 1, -depth[change.address]
        else:
            step = 0, depth[change.address]
        steps.setdefault(step, []).append(change)
    by_address = attrgetter("address")  # they mostly come in this order, so that this is nearly free
    return tuple(change for step in sorted(steps) for change in sorted(steps[step], key=by_address))


def _depths(needs: Needs) -> dict[Address, int]:
    """How many steps of dependencies stand below each; linear, without recursion, a circle counts once."""
    depth: dict[Address, int] = {}
    for start in sorted(needs):
        deepest = -1
        for target in needs[start]:
            below = depth.get(target, -1)
            if below < 0 and target in needs:
                break
            deepest = max(deepest, below)
        else:  # everything below it is known
            depth.setdefault(start, deepest + 1)
            continue
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
