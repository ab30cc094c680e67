"""Whether resources fit what they refer to: the rules of their kinds, asked of any state that a lookup stands for.

The one judge for desired state (`load`), for the state that a plan would leave (`planner`) and, under the lock, for the
state that an apply would leave (`apply`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cache
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from reconciler.errors import Problem
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.kind import Lookup, no_rules
from reconciler.model.resource import Resource

MOST = 4096
"""Verdicts that are remembered: tenants that are alike come one after the other, so a few are enough."""


@cache
def _common() -> frozenset[str]:
    """Return the fields of every kind: no rule reads them of another resource."""
    from reconciler.model.spec import Spec

    return frozenset(Spec.model_fields)


@cache
def ruled() -> frozenset[str]:
    """Return the kinds whose resources may fit what they refer to, or not; asking loads all kinds."""
    return frozenset(name for name, kind in KINDS.items() if kind.references and kind.check is not no_rules)


@cache
def targeted() -> frozenset[str]:
    """Return the kinds that those rules look at."""
    return ruled() | {ref.kind for name in ruled() for ref in KINDS[name].references if ref.kind}


def misfits(resource: Resource, lookup: Lookup) -> list[Problem]:
    """Return what the rules of its kind have against a resource; an address that ``lookup`` doesn't know breaks no rule."""
    found = KINDS[resource.address.kind].check(resource, lookup)
    return [replace(problem, address=str(resource.address)) for problem in found]


class _Read(Mapping[str, Any]):
    """A body that remembers which of its fields were read, and all of them once it was looked through."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.fields: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        self.fields[key] = self._body.get(key)
        return self._body[key]

    def __iter__(self) -> Iterator[str]:
        self.fields |= self._body
        return iter(self._body)

    def __len__(self) -> int:
        self.fields |= self._body
        return len(self._body)


class _Looked(NamedTuple):
    """What a rule looked at by an address of the own tenant: the text that it found, and the fields that it read of it; or nothing."""

    kind: str
    name: str
    text: str = ""
    fields: Mapping[str, Any] | None = None


class Fits:
    """Judges resources as `misfits` does. One that fits is not judged again for a tenant in which all that its rules read is the same."""

    def __init__(self) -> None:
        self._fitting: dict[tuple[str, str, str], tuple[_Looked, ...]] = {}

    def misfits(self, resource: Resource, lookup: Lookup) -> list[Problem]:
        (tenant, kind, name), text = resource.address, resource.text
        known = self._fitting.get((kind, name, text))
        if known is not None and _are_same(tenant, known, lookup):
            return []
        looked: dict[Address, _Looked] = {}

        def remembering(address: Address) -> Resource | None:
            found = lookup(address)
            if found is None:
                looked[address] = _Looked(address.kind, address.name)
                return None
            body = _Read(found.body)
            looked[address] = _Looked(address.kind, address.name, found.text, body.fields)
            return Resource(found.address, "", known_body=cast(Body, body))

        problems = misfits(resource, remembering)
        if not problems and all(address.tenant == tenant for address in looked):
            if len(self._fitting) >= MOST:
                self._fitting.clear()
            self._fitting[kind, name, text] = (*looked.values(),)
        return problems


def _are_same(tenant: str, looked: Iterable[_Looked], lookup: Lookup) -> bool:
    for kind, name, text, fields in looked:
        found = lookup(Address.made(tenant, kind, name))
        if found is None or fields is None:
            if found is not None or fields is not None:
                return False
            continue
        if found.text == text:
            continue
        body = found.body
        for field, value in fields.items():
            if body.get(field) != value:
                return False
    return True


class Step(NamedTuple):
    """What changes: ``made`` is there afterwards, ``gone`` is not, everything else stays as ``live`` has it.

    ``needs`` has what each resource that is made refers to.
    """

    made: Mapping[Address, Resource]
    gone: Set[Address]
    live: Lookup
    needs: Mapping[Address, Iterable[Address]]

    def after(self, address: Address) -> Resource | None:
        if (made := self.made.get(address)) is not None:
            return made
        return None if address in self.gone else self.live(address)

    def altered(self) -> frozenset[Address]:
        """Return the names under which something else is found afterwards, as far as a rule can tell."""
        made = ((address, made) for address, made in self.made.items() if address.kind in targeted())
        return frozenset(a for a, new in made if (old := self.live(a)) is not None and _differ(old, new))


class Misfit(NamedTuple):
    """``ends`` are the resources, of those that stay as they are, that it depends on."""

    resource: Address
    ends: tuple[Address, ...]
    problem: Problem


def _nothing(end: Address) -> bool:
    return False


def unfit(
    step: Step, dependants: Iterable[Resource], is_judged: Callable[[Address], bool] = _nothing
) -> Iterator[Misfit]:
    """Yield what would not fit afterwards: of what is made, and of live ``dependants`` what fits until now.

    What is made together was judged together when the configuration was loaded, and so was an end that ``is_judged``.
    """
    fits = Fits()
    for address, resource in step.made.items():
        ends = _ends(address, step.needs[address], step) if address.kind in ruled() else ()
        if not all(map(is_judged, ends)):
            yield from (Misfit(address, ends, problem) for problem in fits.misfits(resource, step.after))
    for resource in dependants:
        known = {_what(problem) for problem in misfits(resource, step.live)}
        for problem in misfits(resource, step.after):
            if _what(problem) not in known:
                yield Misfit(resource.address, _ends(resource.address, targets_in(resource), step), problem)


def targets_in(resource: Resource) -> list[Address]:
    """Return what a resource refers to."""
    address = resource.address
    return [one.address for one in KINDS[address.kind].references_of(address.tenant, resource.body)]


def dependants_in(altered: Set[Address], rows: Mapping[Address, Iterable[Address]]) -> frozenset[Address]:
    """Return those of ``rows``, which have what each refers to, that lead to something altered over any number of steps."""
    by_target: dict[Address, list[Address]] = {}
    for address, targets in rows.items():
        for target in targets:
            by_target.setdefault(target, []).append(address)
    found: set[Address] = set()
    pending = [*altered]
    while pending:
        new = [address for address in by_target.get(pending.pop(), ()) if address not in found]
        found.update(new)
        pending += new
    return frozenset(found)


def _ends(start: Address, targets: Iterable[Address], step: Step) -> tuple[Address, ...]:
    found: set[Address] = set()
    pending, seen = [*targets], {start}
    while pending:
        target = pending.pop()
        if target in seen:
            continue
        seen.add(target)
        if target in step.made:
            pending += step.needs[target]
        elif (there := step.after(target)) is not None:
            found.add(target)
            pending += targets_in(there)
    return tuple(sorted(found))


def _what(problem: Problem) -> tuple[object, ...]:
    return problem.code, problem.path, problem.message


def _differ(one: Resource, other: Resource) -> bool:
    if one.text == other.text:
        return False
    return any(one.body.get(key) != other.body.get(key) for key in {*one.body, *other.body} if key not in _common())
