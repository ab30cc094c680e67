"""What agents are meant to call and the runtime can't do, found in files: a list of tools that leaves it out surprises nobody then.

Agents are meant to call what an allow policy of the project reaches, whoever it is about, and what is `shared_with` other
projects, whose policies nobody here knows. Templates that only stand in a database are nobody's tools, and no matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import date

from reconciler.access.decide import allowing
from reconciler.access.known import known_at
from reconciler.access.planned import deciding
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.access.target import Target
from reconciler.errors import Path, Problem
from reconciler.kinds.links import links_of
from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import carrying
from reconciler.model.access import ACTIONS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.kind import served

HINT = "say `runtime: false` on it, its datasource or its connector, if agents are not meant to call it"


def unserved(configuration: Configuration, tenants: Set[str]) -> Iterator[Problem]:
    """Yield a problem for each resource that does what the runtime can't do, and that agents are meant to call.

    Of each tenant only what goes through such a resource is looked at, and what decides about calls.
    """
    concerned = _concerned(configuration, tenants)
    if not concerned:
        return
    beside = deciding() - carrying()
    names = (name for name in configuration.digests if name in concerned or _kind(name) in beside)
    addresses = (Address.of(name) for name in sorted(names) if name.partition("/")[0] in tenants)
    for _, tenant in sorted(snapshot_of(known_at(configuration, addresses), today=lambda: date.min).tenants.items()):
        found: dict[Address, Problem] = {}
        for target in _targets(tenant):
            why = _why_meant(tenant, target)
            if why is not None and (problem := _problem(target, why)) is not None:
                found.setdefault(target.operation.known.address, problem)
        yield from found.values()


def _concerned(configuration: Configuration, tenants: Set[str]) -> set[str]:
    """Return the names of what the runtime can't do, of all that leads to it, and of what that leads to besides."""
    asking = {kind.name for kind in KINDS.values() if kind.unserved is not served}
    found = set[str]()
    for name in configuration.digests:
        tenant, kind, _ = name.split("/", 2)
        if kind in asking and tenant in tenants:
            resource = configuration.resources[Address.of(name)]
            if KINDS[resource.address.kind].unserved(resource.body) is not None:
                found.add(name)
    if not found:
        return found
    carried = carrying()
    ahead, behind = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for source, target in links_of(configuration.resources):
        if source.split("/", 2)[1] in carried:
            ahead[source].append(target)
            behind[target].append(source)
    return _closure(_closure(found, behind), ahead)


def _closure(names: set[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    found, left = {*names}, [*names]
    while left:
        new = {name for name in edges.get(left.pop(), ()) if name not in found}
        found |= new
        left += new
    return found


def _kind(name: str) -> str:
    return name.split("/", 2)[1]


def _targets(tenant: Tenant) -> Iterator[Target]:
    """Yield all that can be called; what has no action of its own is asked for each."""
    for word, name in (
        (kind.calls.word, name) for kind in KINDS.values() if kind.calls is not None for name in tenant.names(kind.name)
    ):
        for action in (None, *ACTIONS):
            target = tenant.target(f"{word}/{name.partition('/')[2]}", action)
            if isinstance(target, Target):
                yield target
                if action is None:
                    break


def _why_meant(tenant: Tenant, target: Target) -> str | None:
    if rule := allowing(tenant.allows, target):
        return f"{rule.name} allows it"
    shared = target.chain[0].body.get("shared_with")
    return f"it is shared with {', '.join(shared)}" if shared else None


def _problem(target: Target, why: str) -> Problem | None:
    unserved = target.unserved
    if unserved is None or unserved.reason == "not-for-agents":
        return None
    at = target.operation.known.address
    message = f"{at} can't be served: the runtime can't use {unserved.words} yet, and {why}"
    return Problem("not-supported", message, str(at), _path(target), hint=HINT)


def _path(target: Target) -> Path:
    """Return the field of the operation that leads to what stands behind it."""
    at = target.operation.known.address
    behind = {one.known.address for one in target.chain}
    references: Mapping[Address, Path] = {
        one.address: one.path for one in KINDS[at.kind].references_of(at.tenant, target.operation.body)
    }
    return next((path for address, path in references.items() if address in behind), ())
