"""Effects of changes on access: what callers may do after them and may not do before them, and the other way round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from heapq import nsmallest

from msgspec.structs import replace

from reconciler.access.calls import Call
from reconciler.access.difference import Difference, FoundDifference, Group
from reconciler.access.rewired import rewired
from reconciler.access.sides import Uids, sides_of
from reconciler.access.subjects import Caller
from reconciler.model.address import Address
from reconciler.model.effects import NARROWED, WIDENED, Effect, Effects, Judged, Reach
from reconciler.model.known import Known
from reconciler.model.plan import Change

LISTED = 500
"""Effects that a plan lists."""
REACHES = 20
"""Targets, and causes, that one effect lists."""
MOST_ENDS = 50
"""Days on which grants end that both sides are compared on."""
MOST_NOTES = 20
"""Notes about callers that were not compared as a whole."""


def effects_of(
    known: Iterable[Known],
    changes: Iterable[Change],
    project: str,
    suspended: Uids = frozenset(),
    today: date = date.min,
) -> Judged:
    """Return the effects of ``changes`` of ``project``; ``known`` is what the runtime knows of the tenants that they touch.

    ``suspended`` are the suspended ones of the uids that the changes bring back. Both sides are also compared on each day after
    which a grant ends: what is the same ``today`` may differ then.
    Tenants come in the order of their names, callers likewise; every effect is counted, and the first are listed.
    """
    by_tenant: dict[str, tuple[list[Known], list[Change]]] = defaultdict(lambda: ([], []))
    for one in known:
        by_tenant[one.address.tenant][0].append(one)
    for change in changes:
        by_tenant[change.address.tenant][1].append(change)
    tally = _Tally()
    for tenant, (rows, own) in sorted(by_tenant.items()):
        if own:
            sides = sides_of(tenant, rows, own, project, suspended, today)
            difference = Difference(sides)
            tally.add(tenant, difference)
            tally.widen(difference.unreached(rewired(own)))
            ends = sorted(day for day in sides.before.ends | sides.after.ends if today <= day < date.max)
            for day in ends[:MOST_ENDS]:
                after = day + timedelta(days=1)
                tally.add_later(tenant, Difference(sides_of(tenant, rows, own, project, suspended, after)), after)
            if len(ends) > MOST_ENDS:
                tally.widen(change.address for change in own if change.address.kind == "policy")
    return tally.judged()


class _Tally:
    """Counts what is found, and lists the first of it."""

    def __init__(self) -> None:
        self._listed: list[Effect] = []
        self._subjects = 0
        self._counts = {True: 0, False: 0}
        self._risks: dict[Address, set[str]] = defaultdict(set)
        self._uncompared: list[str] = []
        self._later: list[str] = []

    def judged(self) -> Judged:
        effects = Effects(tuple(self._listed), self._subjects, self._counts[True], self._counts[False])
        risks = {address: frozenset(names) for address, names in self._risks.items()}
        more = len(self._uncompared) - MOST_NOTES
        notes = [*self._uncompared[:MOST_NOTES], *([f"the same holds for {more} more callers"] if more > 0 else [])]
        return Judged(effects, risks, (*notes, *self._later[:MOST_NOTES]))

    def widen(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self._risks[address].add(WIDENED)

    def add(self, tenant: str, difference: Difference) -> None:
        callers: list[tuple[Caller, Group]] = []
        for group in difference.groups():
            for found in group.found:
                self._count(difference, group, found)
            for caller in group.callers if group.uncompared else ():
                self._doubt(tenant, difference, caller)
            callers += [(caller, group) for caller in group.callers]
        patterns: dict[int, list[tuple[Effect, bool]]] = {}
        for caller, group in sorted(callers, key=lambda one: one[0].name):
            if len(self._listed) >= LISTED:
                self._subjects += len({_subject(one) for one in group.found})
                continue
            if id(group) not in patterns:
                patterns[id(group)] = [*_patterns(tenant, group.found)]
            self._subjects += len(patterns[id(group)])
            own = difference.own_change(caller)
            for effect, by_caller in patterns[id(group)]:
                also = {own} if own is not None and by_caller else set()
                self._listed.append(replace(effect, caller=caller.name, causes=_first(also.union(effect.causes))))

    def add_later(self, tenant: str, difference: Difference, day: date) -> None:
        """Count what differs from a later day on as a risk, and note it."""
        found = {
            one.widened
            for group in difference.groups()
            for one in group.found
            for _ in self._risk(difference, group, one)
        }
        if found:
            words = " and ".join(word for widened, word in ((True, "more"), (False, "less")) if widened in found)
            self._later.append(f"{tenant}: from {day.isoformat()} on, callers may do {words} than without this plan")

    def _doubt(self, tenant: str, difference: Difference, caller: Caller) -> None:
        """Count what was not compared as wider."""
        self.widen(difference.suspects(caller))
        self._uncompared.append(
            f"{tenant}/caller/{caller.name}: not all combinations of the {caller.uncompared} roles that tokens may bring "
            "were compared"
        )

    def _count(self, difference: Difference, group: Group, found: FoundDifference) -> None:
        self._counts[found.widened] += len(group.callers) * len(found.calls.members)
        self._risk(difference, group, found)

    def _risk(self, difference: Difference, group: Group, found: FoundDifference) -> set[Address]:
        risk = WIDENED if found.widened else NARROWED
        causes = {*found.causes}
        if found.variant.changed:
            causes |= {own for caller in group.callers if (own := difference.own_change(caller)) is not None}
        for address in causes:
            self._risks[address].add(risk)
        return causes


def _patterns(tenant: str, found: Sequence[FoundDifference]) -> Iterator[tuple[Effect, bool]]:
    """One effect for each subject and direction, without a caller yet, and whether the caller's own change is a cause too."""
    by_subject: dict[tuple[object, ...], list[FoundDifference]] = defaultdict(list)
    for one in found:
        by_subject[_subject(one)].append(one)
    for same in by_subject.values():
        variant, widened = same[0].variant, same[0].widened
        reaches = sorted(_reach(one, call) for one in same for call in one.calls.members[:REACHES])
        causes = {address for one in same for address in one.causes}
        count = sum(len(one.calls.members) for one in same)
        shown = tuple(reaches[:REACHES])
        changed = any(one.variant.changed for one in same)
        yield Effect(tenant, "", widened, shown, count, tuple(causes), variant.roles, variant.way), changed


def _subject(found: FoundDifference) -> tuple[object, ...]:
    return found.variant.roles, found.variant.way, found.widened


def _reach(found: FoundDifference, call: Call) -> Reach:
    ask = call.after if found.widened else call.before
    through = None if call.through is None else call.through[found.widened]
    return Reach(found.action, ask.target if ask else "", found.policy, through, found.approval)


def _first(causes: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(nsmallest(REACHES, causes))
