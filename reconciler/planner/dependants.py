"""What a plan leaves as it is, and what depends, over however many steps, on something that it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.plan import Dependant
from reconciler.model.resource import State

MOST = 1000
"""More than a reader looks at; the plan says of no more."""


def dependants_of(changed: Iterable[Address], resources: State) -> tuple[Dependant, ...]:
    """The nearest first, then by address; each with what it refers to of all that is told here."""
    there = {*changed}
    if not there:
        return ()
    refers: dict[Address, list[Address]] = {}
    needed_by: dict[Address, list[Address]] = defaultdict(list)
    for address, resource in resources.items():
        kind = KINDS[address.kind]
        if address in there or not kind.references:
            continue
        refers[address] = [*dict.fromkeys(r.address for r in kind.references_of(address.tenant, resource.body))]
        for target in refers[address]:
            needed_by[target].append(address)
    found: dict[Address, None] = {}
    step = sorted({d for address in there for d in needed_by.get(address, ())})
    while step and len(found) < MOST:
        found.update(dict.fromkeys(step[: MOST - len(found)]))
        step = sorted({d for address in step for d in needed_by.get(address, ()) if d not in found})
    known = there | found.keys()
    return tuple(Dependant(address, tuple(t for t in refers[address] if t in known)) for address in found)
