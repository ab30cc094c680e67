"""Everything that can be called, on both sides, in classes: what is in one class is decided alike for every caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import zip_longest
from typing import Any, NamedTuple

from msgspec import Struct

from reconciler.access.decide import Ask, barred
from reconciler.access.resource import Resource
from reconciler.access.rule import Thing
from reconciler.access.ruleset import Ruleset
from reconciler.access.sides import Sides
from reconciler.access.target import Target, tools_by, unserved_by
from reconciler.kinds.lifecycle import switched_off
from reconciler.kinds.table import KINDS
from reconciler.model.access import ACTIONS
from reconciler.model.address import Address
from reconciler.model.body import Body

_Pair = tuple[str | None, str | None]
"""Names before and after."""


class Element(NamedTuple):
    """What a decision may depend on of one resource behind a call."""

    fits: int
    project: str | None
    suspended: bool
    access_roles: tuple[str, ...]
    of_body: tuple[Any, ...]


class Facts(NamedTuple):
    """What a decision on a call depends on, on one side, besides who calls.

    ``elements`` are those of its chain, the target first; ``barred`` is the reason why nobody may call it, if nobody may.
    """

    action: str
    barred: str | None
    elements: tuple[Element, ...]
    obligations: tuple[str, ...] = ()

    def fits(self) -> int:
        found = 0
        for element in self.elements:
            found |= element.fits
        return found

    def access_roles(self) -> Iterator[str]:
        for element in self.elements:
            yield from element.access_roles


class Call(NamedTuple):
    """One call before and after; None where there is no such target.

    ``through`` has what it runs or reaches before and after, where that is another resource.
    """

    before: Ask | None
    after: Ask | None
    through: tuple[str, str] | None
    updated: frozenset[Address]
    begun: frozenset[Address]
    """The changes that made the difference: of resources that are there on both sides, and of those that are not."""


class CallClass(Struct, frozen=True, dict=True):
    """Calls with the same facts on both sides."""

    before: Facts | None
    after: Facts | None
    repointed: bool
    members: list[Call]

    @cached_property
    def changed(self) -> bool:
        return self.before != self.after or self.repointed

    @cached_property
    def fits_target(self) -> int:
        """The rules that fit what the caller names, on either side."""
        sides = [side.elements[0].fits for side in (self.before, self.after) if side is not None]
        return sides[0] | sides[-1]

    @cached_property
    def fits(self) -> int:
        """The rules that fit anything in the chain, on either side."""
        return (self.before.fits() if self.before else 0) | (self.after.fits() if self.after else 0)

    def access_roles(self) -> Iterator[str]:
        """Yield the roles that anything in the chain asks for, on either side."""
        for side in (self.before, self.after):
            yield from side.access_roles() if side is not None else ()

    @cached_property
    def updated(self) -> frozenset[Address]:
        return frozenset(address for one in self.members for address in one.updated)

    @cached_property
    def begun(self) -> frozenset[Address]:
        return frozenset(address for one in self.members for address in one.begun)


class Calls:
    """Finds calls and their facts, without policies: those are judged apart."""

    def __init__(self, sides: Sides, rules: Ruleset) -> None:
        self._sides, self._rules = sides, rules
        self._tenants = sides.before, sides.after
        self._current = {old: new for new, old in sides.former.items()}
        self._elements: tuple[dict[str, Element | None], dict[str, Element | None]] = {}, {}

    def classes(self) -> list[CallClass]:
        found: dict[tuple[Any, ...], CallClass] = {}
        for old, new in self._asks():
            call, before, after = self._call(old, new)
            if before is None and after is None:
                continue
            repointed = call.through is not None
            key = (before, after, repointed, bool(call.updated))
            if key not in found:
                found[key] = CallClass(before, after, repointed, [])
            found[key].members.append(call)
        for one in found.values():
            one.members.sort(key=_target)
        return [*found.values()]

    def reached(self, classes: Iterable[CallClass]) -> frozenset[Address]:
        """Return the changes of all that a call goes through, on either side."""
        found: set[Address | None] = set()
        for call in (call for one in classes for call in one.members):
            for side, ask, changed in ((0, call.before, self._sides.left), (1, call.after, self._sides.arrived)):
                target = self._target(side, ask)
                found.update(changed.get(one.name) for one in (target.chain if target else ()))
        return frozenset(address for address in found if address is not None)

    def _asks(self) -> Iterator[tuple[Ask | None, Ask | None]]:
        """Every target of every resource that can be called; what has no action of its own is asked for each."""
        for kind in (kind for kind in KINDS.values() if kind.calls is not None):
            for pair in self._resources(kind.name):
                for old, new in self._targets(kind.calls.word if kind.calls else "", pair):
                    yield from self._with_actions(old, new)

    def _resources(self, kind: str) -> Iterator[_Pair]:
        for old in self._tenants[0].names(kind):
            yield old, self._current.get(old)
        live = {*self._tenants[0].names(kind)}
        yield from (
            (self._sides.former.get(n), n)
            for n in self._tenants[1].names(kind)
            if self._sides.former.get(n) not in live
        )

    def _targets(self, word: str, pair: _Pair) -> Iterator[_Pair]:
        """Yield the names of targets that belong to one resource, by what they have behind the resource's own name."""
        sides: list[dict[str, str]] = []
        for side, (tenant, name) in enumerate(zip(self._tenants, pair, strict=True)):
            resource = tenant.resource(name) if name else None
            own = f"{word}/{resource.known.address.name}" if resource else ""
            found = tenant.target(own) if resource else ""
            if isinstance(found, Target) and found.alternatives:
                sides.append({self._way(side, way): way for way in found.alternatives})
                continue
            names = {own, *tools_by(resource)} if resource else set()
            sides.append({target.removeprefix(own): target for target in names})
        for rest in sorted({*sides[0], *sides[1]}):
            yield sides[0].get(rest), sides[1].get(rest)

    def _way(self, side: int, way: str) -> str:
        """Return what a way of a route leads to, by the name that it has before."""
        found = self._tenants[side].target(way)
        reached = found.connector.name if isinstance(found, Target) else way
        return self._sides.former.get(reached) or reached if side else reached

    def _with_actions(self, old: str | None, new: str | None) -> Iterator[tuple[Ask | None, Ask | None]]:
        for action in (None, *ACTIONS):
            asks = [None if name is None else Ask(name, action) for name in (old, new)]
            found = [self._target(side, ask) is not None for side, ask in enumerate(asks)]
            if any(found):
                yield asks[0] if found[0] else None, asks[1] if found[1] else None
                if action is None:
                    return

    def _target(self, side: int, ask: Ask | None) -> Target | None:
        found = self._tenants[side].target(*ask) if ask is not None else ""
        return None if isinstance(found, str) else found

    def _call(self, before: Ask | None, after: Ask | None) -> tuple[Call, Facts | None, Facts | None]:
        old = self._target(0, before)
        facts = self._facts(0, before, old)
        if old is not None and before == after and self._is_untouched(old):
            return Call(before, after, None, frozenset(), frozenset()), facts, facts
        new = self._target(1, after)
        others = self._facts(1, after, new)
        through = self._repointed(old, new) if old and new else None
        updated: set[Address] = set()
        begun: set[Address] = set()
        if facts != others or through:
            for address, is_kept in self._touched(old, new):
                (updated if is_kept else begun).add(address)
        return Call(before, after, through, frozenset(updated), frozenset(begun)), facts, others

    def _is_untouched(self, target: Target) -> bool:
        """Whether no change is about anything that decides of a call: its chain, or who else claims the name of its tool."""
        untouched = self._changed.isdisjoint([one.name for one in target.chain])
        return untouched and target.tool not in self._changed_tools

    @cached_property
    def _changed(self) -> frozenset[str]:
        return frozenset(self._sides.left).union(self._sides.arrived)

    @cached_property
    def _changed_tools(self) -> frozenset[str]:
        left = (tool for name in self._sides.left for tool in self._tools(0, name))
        return frozenset(left).union(tool for name in self._sides.arrived for tool in self._tools(1, name))

    def _facts(self, side: int, ask: Ask | None, target: Target | None) -> Facts | None:
        if target is None or ask is None:
            return None
        elements = [self._element(side, one.name) for one in target.chain]
        mismatch = "action-mismatch" if ask.action not in {None, target.action} else None
        bar = mismatch or barred(self._tenants[side], target)
        part = [self._part(target)] if target.part is not None else []
        chain = (*part, *(one for one in elements if one is not None))
        return Facts(target.action, bar, chain, target.obligations)

    def _part(self, target: Target) -> Element:
        """Return what a decision may depend on of a part that is called, besides what it is a part of."""
        whole = target.chain[0].known
        of_part = (target.classification, target.writes)
        return Element(self._rules.fits(target.named), whole.project, whole.suspended, (), of_part)

    def _repointed(self, old: Target, new: Target) -> tuple[str, str] | None:
        """Return what runs, or what is reached; all that stands between them only says who may."""
        ends = (
            (old.operation.name, new.operation.name),
            (old.connector.name, new.connector.name),
            *zip_longest(_data(old), _data(new), fillvalue=""),
            *zip_longest(old.asks, new.asks, fillvalue=""),
        )
        return next(((one, two) for one, two in ends if self._sides.former.get(two) != one), None)

    def _touched(self, old: Target | None, new: Target | None) -> Iterator[tuple[Address, bool]]:
        """Yield the changes of resources that could make a difference, and whether each resource is there on both sides."""
        chains = [target.chain if target else () for target in (old, new)]
        pairs: set[_Pair] = {(one.name, self._current.get(one.name)) for one in chains[0]}
        pairs |= {(self._sides.former.get(one.name), one.name) for one in chains[1]}
        found = {*self._differing(pairs, whole=bool(old and new))}
        if old and new and old.action != new.action and (address := self._sides.arrived.get(new.operation.name)):
            found.add((address, True))
        if not found:
            wholes = {target.address for target in (old, new) if target and target.part is not None}
            changed = {*self._sides.arrived.values(), *self._sides.left.values()}
            found = {(address, bool(old and new)) for address in wholes & changed}
        tools = {target.tool for target in (old, new) if target and target.is_tool}
        yield from found or self._differing(self._claiming(tools), whole=False)

    def _differing(self, pairs: set[_Pair], whole: bool) -> Iterator[tuple[Address, bool]]:
        for before, after in pairs:
            address = self._sides.arrived.get(after or "") or self._sides.left.get(before or "")
            sides = self._element(0, before), self._element(1, after)
            if address is not None and None in sides:
                yield address, False
            # where a chain is not whole on one side, a name may be what was missing, or anything what did not fit
            elif address is not None and (
                sides[0] != sides[1]
                or self._refers(0, before) != self._refers(1, after)
                or (not whole and (before != after or self._body(0, before) != self._body(1, after)))
            ):
                yield address, True

    def _claiming(self, tools: set[str]) -> set[_Pair]:
        """Return the changed resources that claim the name of one of these tools on either side: two that do stop each other."""
        changed: set[_Pair] = {(name, self._current.get(name)) for name in self._sides.left}
        changed |= {(self._sides.former.get(name), name) for name in self._sides.arrived}
        return {pair for pair in changed if tools & {*self._tools(0, pair[0]), *self._tools(1, pair[1])}}

    def _tools(self, side: int, name: str | None) -> Iterator[str]:
        resource = self._tenants[side].resource(name) if name else None
        yield from tools_by(resource).values() if resource else ()

    def _refers(self, side: int, name: str | None) -> tuple[Any, ...]:
        """Return what a resource refers to, by the names that the same resources have before."""
        resource = self._tenants[side].resource(name or "")
        if resource is None:
            return ()
        address, former = resource.known.address, self._sides.former
        found = KINDS[address.kind].references_of(address.tenant, resource.body)
        names = [(one.path, f"{one.address.kind}/{one.address.name}") for one in found]
        return tuple((path, former.get(name) if side else name) for path, name in names)

    def _body(self, side: int, name: str | None) -> Body | None:
        resource = self._tenants[side].resource(name) if name else None
        return None if resource is None else resource.body

    def _element(self, side: int, name: str | None) -> Element | None:
        if name is None:
            return None
        known = self._elements[side]
        if name not in known:
            resource = self._tenants[side].resource(name)
            known[name] = None if resource is None else self._read(resource)
        return known[name]

    def _read(self, resource: Resource) -> Element:
        body = resource.body
        data = (body.get("classification"),)
        of_body = (switched_off(body), unserved_by(resource) is not None, tuple(body.get("shared_with") or ()), *data)
        asked = tuple(body["access_roles"]) if resource.holds_data else ()
        fits = self._rules.fits(Thing(resource.name, resource.labels))
        return Element(fits, resource.known.project, resource.known.suspended, asked, of_body)


def _data(target: Target) -> tuple[str, ...]:
    """Return the data that a call reads; without any between them, all that its connector reaches."""
    return tuple(one.name for one in target.data) or (target.connector.name,)


def _target(call: Call) -> str:
    ask = call.after or call.before
    return ask.target if ask else ""
