"""One tenant's access on both sides, compared: what each class of callers gains and loses.

``decide`` judges one pair for each class of callers and class of calls, and only where something that concerns both differs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from reconciler.access.calls import CallClass, Calls
from reconciler.access.decide import Ask, Decision, decide
from reconciler.access.rule import Subject
from reconciler.access.ruleset import Ruleset, split
from reconciler.access.sides import Sides
from reconciler.access.snapshot import Tenant
from reconciler.access.subjects import Caller, Signature, Subjects, Variant
from reconciler.model.address import Address
from reconciler.model.approval import eased


class FoundDifference(NamedTuple):
    """A class of calls that a variant of a class of callers gains (``widened``) or loses, and why, besides the caller itself."""

    variant: Variant
    widened: bool
    calls: CallClass
    action: str
    policy: str | None
    causes: frozenset[Address]
    approval: str = ""
    """Who has to approve the call after the plan, in words; "" for nobody."""


class Group(NamedTuple):
    """Callers that gain and lose the same. ``uncompared`` as in ``Caller``."""

    callers: tuple[Caller, ...]
    found: tuple[FoundDifference, ...]
    uncompared: int = 0


class Difference:
    """Compares the two sides of one tenant."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._rules = Ruleset(sides.before, sides.after)
        broken = sides.before.broken, sides.after.broken
        self._everything = (broken[0] is None) != (broken[1] is None)
        """A policy that is not valid denies all of a tenant: whether there is one concerns every pair."""
        breaking = sides.left.get(broken[0] or ""), sides.arrived.get(broken[1] or "")
        self._breaking = {address for address in breaking if address is not None}
        self._nothing = None not in broken and not self._everything

    def groups(self) -> Iterator[Group]:
        """Yield those callers for whom anything differs, or may."""
        if self._idle:
            return
        before, after = self._sides.before, self._sides.after
        alike: dict[tuple[object, ...], list[Caller]] = defaultdict(list)
        asked = _asked(before) | _asked(after)
        for caller in Subjects(self._sides, self._rules, asked, self._at_stake).callers():
            key = caller.uncompared, *((one.roles, one.way, one.signatures) for one in caller.variants)
            alike[key].append(caller)
        for callers in alike.values():
            found, uncompared = tuple(self._found(callers[0])), callers[0].uncompared
            if found or uncompared:
                yield Group(tuple(callers), found, uncompared)

    def own_change(self, caller: Caller) -> Address | None:
        """Return the change of a caller, if there is one."""
        return self._sides.arrived.get(caller.current or "") or self._sides.left.get(caller.former or "")

    def suspects(self, caller: Caller) -> frozenset[Address]:
        """Return the changes from which more access of a caller may follow, where not all of it was compared."""
        classes = [self._classes[number] for number in self._differing]
        found = {address for one in classes for address in (*one.updated, *one.begun)}
        found |= self._changes_of(self._rules.policies(self._rules.changed)) | self._breaking
        if own := self.own_change(caller):
            found.add(own)
        return frozenset(found or {*self._sides.left.values(), *self._sides.arrived.values()})

    def unreached(self, addresses: Collection[Address]) -> frozenset[Address]:
        """Return those changes, of some, whose resources no call of anybody goes through."""
        if not addresses or self._idle:
            return frozenset(addresses)
        return frozenset(addresses) - self._calls.reached(self._classes)

    @cached_property
    def _idle(self) -> bool:
        """Whether nobody may do anything, before and after."""
        has_callers = self._sides.before.names("caller") or self._sides.after.names("caller")
        return self._nothing or not self._rules.allows or not has_callers

    def _at_stake(self) -> frozenset[str]:
        return self._roles_at_stake

    @cached_property
    def _roles_at_stake(self) -> frozenset[str]:
        """The roles that may decide about what differs."""
        if self._everything:
            return self._rules.roles() | _asked(self._sides.before) | _asked(self._sides.after)
        classes = [self._classes[number] for number in self._differing]
        fits = 0
        for one in classes:
            fits |= one.fits
        return self._rules.roles_of(fits).union(*(one.access_roles() for one in classes))

    @cached_property
    def _calls(self) -> Calls:
        return Calls(self._sides, self._rules)

    @cached_property
    def _classes(self) -> list[CallClass]:
        return self._calls.classes()

    @cached_property
    def _differing(self) -> list[int]:
        """The classes of calls that are not the same on both sides, or that a rule fits which is in force on one side only."""
        changed = self._rules.changed
        return [n for n, one in enumerate(self._classes) if one.changed or one.fits & changed]

    @cached_property
    def _by_allow(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for number, one in enumerate(self._classes):
            for bit in split(one.fits_target & self._rules.allows):
                found[bit].append(number)
        return found

    def _found(self, caller: Caller) -> Iterator[FoundDifference]:
        """Yield what a variant gains or loses, but for what one with fewer roles gains or loses too."""
        seen: set[tuple[int, bool]] = set()
        for variant in caller.variants:
            for number in self._candidates(variant):
                for found in self._compare(variant, self._classes[number]):
                    if (number, found.widened) not in seen:
                        seen.add((number, found.widened))
                        yield found

    def _candidates(self, variant: Variant) -> Iterable[int]:
        """Return the classes of calls about which there may be another decision than before."""
        about = _about(variant.signatures[0]) | _about(variant.signatures[1])
        allows = about & self._rules.allows
        if variant.changed or self._everything:
            return sorted({number for bit in split(allows) for number in self._by_allow.get(bit, ())})
        changed = about & self._rules.changed
        chosen = ((number, self._classes[number]) for number in self._differing)
        return [n for n, one in chosen if one.fits_target & allows and (one.changed or one.fits & changed)]

    def _compare(self, variant: Variant, calls: CallClass) -> Iterator[FoundDifference]:
        one = calls.members[0]
        # most pairs of much that is new are decided already: no allow fits them before
        allows = self._rules.before & self._rules.allows & _about(variant.signatures[0])
        fits = calls.before.elements[0].fits if calls.before is not None else 0
        before = _judge(self._sides.before, variant.before, one.before) if allows & fits else None
        after = _judge(self._sides.after, variant.after, one.after)
        gains, loses = after is not None and after.allowed, before is not None and before.allowed
        if not calls.repointed and before is not None and after is not None and before.action == after.action:
            both = gains and loses
            gains = (gains and not loses) or (both and eased(before.approval, after.approval))
            loses = (before.allowed and not after.allowed) or (both and eased(after.approval, before.approval))
        if gains and after is not None:
            yield self._because(variant, calls, True, after, after)
        if loses and before is not None:
            yield self._because(variant, calls, False, before, after)

    def _because(
        self, variant: Variant, calls: CallClass, widened: bool, decision: Decision, after: Decision | None
    ) -> FoundDifference:
        about = _about(variant.signatures[0]) | _about(variant.signatures[1])
        action = decision.action or ""
        bits = self._rules.causes(about & calls.fits, widened, action, decision.classification)
        causes = self._changes_of(self._rules.policies(bits)) | self._breaking | calls.updated
        # what is new, or gone, is the cause only where nothing else is
        shown = frozenset(causes) if causes or variant.changed else calls.begun
        policy = after.policy if after is not None else None
        needed = after.approval if after is not None and after.allowed else None
        return FoundDifference(variant, widened, calls, action, policy, shown, needed.words if needed else "")

    def _changes_of(self, names: Iterable[str]) -> set[Address]:
        found = {one for name in names for one in (self._sides.arrived.get(name), self._sides.left.get(name))}
        return {address for address in found if address is not None}


def _asked(tenant: Tenant) -> frozenset[str]:
    """Return all the roles that datasources ask for."""
    found = (tenant.resource(name) for name in tenant.names("datasource"))
    return frozenset(role for one in found if one is not None for role in one.body["access_roles"])


def _judge(tenant: Tenant, subject: Subject | None, ask: Ask | None) -> Decision | None:
    """None where there is nobody to ask, or nothing to ask for."""
    return None if subject is None or ask is None else decide(tenant, subject, ask)


def _about(signature: Signature) -> int:
    return 0 if signature is None else signature[0]
