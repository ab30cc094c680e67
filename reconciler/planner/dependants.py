"""What a plan leaves as it is, and what depends, over however many steps, on something that it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from reconciler.kinds.links import links_of
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.plan import Dependant

MOST = 1000
"""More than a reader looks at; the plan says of no more."""


def dependants_of(changed: Iterable[Address], configuration: Configuration) -> tuple[Dependant, ...]:
    """Return the dependants, the nearest first, then by address; each with what it refers to of all that is named here."""
    there = {*map(str, changed)}
    if not there:
        return ()
    refers: dict[str, dict[str, None]] = defaultdict(dict)
    needed_by: dict[str, list[str]] = defaultdict(list)
    for name, target in links_of(configuration.resources):
        if name not in there:
            refers[name][target] = None
            needed_by[target].append(name)
    found: dict[str, None] = {}
    step = _in_order(d for name in there for d in needed_by.get(name, ()))
    while step and len(found) < MOST:
        found.update(dict.fromkeys(step[: MOST - len(found)]))
        step = _in_order(d for name in step for d in needed_by.get(name, ()) if d not in found)
    known = there | found.keys()
    return tuple(
        Dependant(Address.of(name), tuple(Address.of(target) for target in refers[name] if target in known))
        for name in found
    )


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted({*names}, key=Address.of)
