"""Where calls lead: the pairs of resources, one before and one after, of which a change puts the one in the other's place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import NamedTuple, TypeAlias

from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import carrying, targets_of
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.plan import Action, Change
from reconciler.planner.names import Names

Find: TypeAlias = Callable[[Address], Body | None]
Slot: TypeAlias = tuple[str, ...]
"""The path of a reference; all items of a list are one."""
Reached: TypeAlias = Mapping[str, Mapping[Address, Body]]
"""Bodies by kind and by the address that the resource has after the plan."""


class Pair(NamedTuple):
    """What a name led to, and what it leads to now."""

    address: Address
    before: Body
    after: Body


def repointed(address: Address, before: Body, after: Body, names: Names) -> Iterator[Pair]:
    """Yield what the references of a body lead to afterwards, over all steps, in the place of something else.

    A reference that follows its target to a new name leads to the same. One more, or one less, takes nobody's place.
    """
    if address.kind not in carrying():
        return
    old, new = _slots(address, before), _slots(address, after)
    gone = [target for slot in old.keys() - new.keys() for target in old[slot]]
    added = [target for slot in new.keys() - old.keys() for target in new[slot]]
    for former, latter in ((gone, added), *((old[slot], new[slot]) for slot in old.keys() & new.keys())):
        if {names.moves.get(target, target) for target in former} != {*latter}:
            yield from _pairs(_reached(former, names.before, names.moves), _reached(latter, names.after))


def leads_elsewhere(change: Change) -> bool:
    """Whether a change writes other references than its resource had."""
    kind, old, new = change.address.kind, change.old_text, change.new_text
    return bool(old and new) and kind in carrying() and targets_of(kind, old or "") != targets_of(kind, new or "")


def looked_at(changes: Iterable[Change]) -> set[Address]:
    """Return what changes refer to, before and after, of those that may lead elsewhere afterwards."""
    changes = [change for change in changes if change.address.kind in carrying()]
    left = {c.previous or c.address for c in changes if c.previous or c.action is Action.DELETE}
    found: set[Address] = set()
    for change in changes:
        if change.previous or change.address in left or leads_elsewhere(change):
            texts = filter(None, (change.old_text, change.new_text))
            targets = (target for text in texts for target in targets_of(change.address.kind, text))
            found |= {Address.of(f"{change.address.tenant}/{target}") for target in targets}
    return found


def _slots(address: Address, body: Body) -> Mapping[Slot, list[Address]]:
    found: dict[Slot, list[Address]] = defaultdict(list)
    for path, target in KINDS[address.kind].references_of(address.tenant, body):
        found[tuple("*" if isinstance(step, int) else step for step in path)].append(target)
    return found


def _reached(starts: Iterable[Address], find: Find, moves: Mapping[Address, Address] = {}) -> Reached:
    found: dict[str, dict[Address, Body]] = defaultdict(dict)
    left, seen = [*starts], set[Address]()
    while left:
        address = left.pop()
        body = find(address) if address not in seen and address.kind in carrying() else None
        seen.add(address)
        if body is not None:
            found[address.kind][moves.get(address, address)] = body
            left += [target for _, target in KINDS[address.kind].references_of(address.tenant, body)]
    return found


def _pairs(before: Reached, after: Reached) -> Iterator[Pair]:
    for kind in sorted(before.keys() & after.keys()):
        old, new = before[kind], after[kind]
        for one, other in product(sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())):
            yield Pair(other, old[one], new[other])
