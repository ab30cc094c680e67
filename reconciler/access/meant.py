"""What agents are meant to call and the runtime can't do, found in files: a list of tools that leaves it out surprises nobody then.

Agents are meant to call what an allow policy of the project reaches, whoever it is about, and what is `shared_with` other
projects, whose policies nobody here knows. Templates that only stand in a database are nobody's tools, and no matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from reconciler.access.decide import allowing
from reconciler.access.known import known_of
from reconciler.access.planned import deciding
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.access.target import Target
from reconciler.errors import Path, Problem
from reconciler.kinds.table import KINDS
from reconciler.model.access import ACTIONS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration

HINT = "say `runtime: false` on it, its datasource or its connector, if agents are not meant to call it"


def unserved(configuration: Configuration, tenants: Set[str]) -> Iterator[Problem]:
    """Yield a problem for each resource that does what the runtime can't do, and that agents are meant to call."""

    def is_wanted(address: Address) -> bool:
        return address.tenant in tenants and address.kind in deciding()

    for _, tenant in sorted(snapshot_of(known_of(configuration, is_wanted)).tenants.items()):
        found: dict[Address, Problem] = {}
        for target in _targets(tenant):
            why = _why_meant(tenant, target)
            if why is not None and (problem := _problem(target, why)) is not None:
                found.setdefault(target.operation.known.address, problem)
        yield from found.values()


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
    """The field of the operation that leads to what stands behind it."""
    at = target.operation.known.address
    behind = {one.known.address for one in target.chain}
    references: Mapping[Address, Path] = {
        one.address: one.path for one in KINDS[at.kind].references_of(at.tenant, target.operation.body)
    }
    return next((path for address, path in references.items() if address in behind), ())
