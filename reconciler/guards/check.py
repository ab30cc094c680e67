"""Facts about an apply, and what was allowed, turned into the reasons to refuse it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from reconciler.model.address import Address
from reconciler.model.configuration import Guards
from reconciler.model.plan import Blocker
from reconciler.model.risk import RISKS

PERCENT_COUNTS_FROM = 10
"""Below this many owned resources a share says nothing: deleting one of two is half of them."""


class Facts(Struct, frozen=True):
    """What an apply would do. ``unseen`` are outside changes that it would overwrite without anybody having seen them."""

    deletes: int
    owned: int
    owned_after: int
    tenants_gone: tuple[str, ...] = ()
    unseen: tuple[Address, ...] = ()
    diverged: Blocker | None = None
    """Why the configuration's commit should not follow the one applied last, if so."""
    taken_back: tuple[str, ...] = ()
    """What earlier generations changed and this takes back, where nobody has seen it; a sentence each."""
    risks: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """Every risk of the changes, and the resources that have it."""
    destroyed: tuple[Address, ...] = ()
    """What is deleted or replaced, where that is known."""


class Allowances(Struct, frozen=True):
    """The flags that were given."""

    deletes: int | None = None
    empty: bool = False
    outside: bool = False
    diverged: bool = False
    undo: bool = False
    risks: frozenset[str] = frozenset()


def by_risk(pairs: Iterable[tuple[Address, Iterable[str]]]) -> dict[str, tuple[Address, ...]]:
    """Return the resources of each risk, in their order, each once."""
    found: dict[str, dict[Address, None]] = {}
    for address, risks in pairs:
        for risk in risks:
            found.setdefault(risk, {})[address] = None
    return {risk: (*addresses,) for risk, addresses in found.items()}


def refusals(facts: Facts, guards: Guards, allowed: Allowances) -> Iterator[Blocker]:
    """All reasons at once, each with the flag that lifts it."""
    yield from _deletions(facts, guards, allowed)
    if not allowed.empty:
        if facts.owned and not facts.owned_after and facts.deletes:
            yield Blocker(
                "empty",
                f"this would delete all {facts.owned} resources of the project and leave nothing",
                "if that is meant, say --allow-empty",
                others=facts.destroyed,
            )
        elif facts.tenants_gone:
            yield Blocker(
                "tenant-gone",
                f"this would delete everything of {_named('tenant', facts.tenants_gone)}",
                "if that is meant, say --allow-empty",
                others=tuple(address for address in facts.destroyed if address.tenant in facts.tenants_gone),
            )
    if facts.unseen and not (allowed.outside or guards.overwrite_outside):
        yield Blocker(
            "outside-unseen",
            f"somebody changed {', '.join(str(address) for address in facts.unseen[:5])}"
            + (f" and {len(facts.unseen) - 5} more" if len(facts.unseen) > 5 else "")
            + " outside of this configuration, and nobody has seen that this would be overwritten",
            "review it: `reconciler plan --out FILE`, then `reconciler apply FILE`; or say --overwrite-outside",
            facts.unseen[0],
            facts.unseen[1:],
        )
    for risk in sorted(facts.risks.keys() & guards.refuse - allowed.risks):
        first, *others = facts.risks[risk]
        yield Blocker(
            "risk",
            f"{RISKS[risk]} ({risk}), e.g. {first}, and the project's guards refuse that",
            f"if that is meant, say --allow-risk {risk}",
            first,
            tuple(others),
        )
    if facts.taken_back and not allowed.undo:
        more = f"; and {len(facts.taken_back) - 3} more" if len(facts.taken_back) > 3 else ""
        yield Blocker(
            "undo",
            f"{'; '.join(facts.taken_back[:3])}{more}",
            "review it: `reconciler plan --out FILE`, then `reconciler apply FILE`; or say --allow-undo",
        )
    if facts.diverged is not None and not allowed.diverged:
        yield facts.diverged


def _deletions(facts: Facts, guards: Guards, allowed: Allowances) -> Iterator[Blocker]:
    if allowed.deletes is not None:
        if facts.deletes > allowed.deletes:
            yield Blocker(
                "too-many-deletes",
                f"this would delete or replace {facts.deletes} resources, and {allowed.deletes} are allowed",
                f"if that is meant, say --allow-deletes {facts.deletes}",
                others=facts.destroyed,
            )
        return
    flag = f"if that is meant, say --allow-deletes {facts.deletes}"
    if guards.max_deletes is not None and facts.deletes > guards.max_deletes:
        yield Blocker(
            "too-many-deletes",
            f"this would delete or replace {facts.deletes} resources; the project's guard max_deletes is {guards.max_deletes}",
            flag,
            others=facts.destroyed,
        )
    elif facts.owned >= PERCENT_COUNTS_FROM and facts.deletes * 100 > guards.max_delete_percent * facts.owned:
        yield Blocker(
            "too-many-deletes",
            f"this would delete or replace {facts.deletes} of {facts.owned} resources, more than {guards.max_delete_percent}%",
            flag,
            others=facts.destroyed,
        )


def _named(noun: str, names: tuple[str, ...]) -> str:
    return f"the {noun} {names[0]}" if len(names) == 1 else f"the {noun}s {', '.join(names)}"
