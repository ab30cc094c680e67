"""A plan judged by what it does to access: the one function that plans, saved plans and applies get their access risks from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from datetime import date
from functools import cache
from typing import TypeAlias

from msgspec.structs import replace

from reconciler.access.rewired import rewired
from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import carrying
from reconciler.model.effects import WIDENED, Judged
from reconciler.model.known import Known
from reconciler.model.plan import Change, Plan
from reconciler.model.risk import in_order

Uids: TypeAlias = Set[tuple[str, str]]
Reader: TypeAlias = Callable[[Set[str], Set[str]], Iterable[Known]]


_DECIDING = frozenset({"caller", "policy"})


@cache
def deciding() -> frozenset[str]:
    """Return the kinds by which a call is decided: callers, policies, what can be called, and all that stands behind it."""
    return carrying() | _DECIDING


def nobody(_uids: Uids) -> Uids:
    """For changes that bring no uid back, and where no status is kept."""
    return frozenset()


def judged(
    changes: Sequence[Change],
    project: str,
    known: Reader,
    suspended: Callable[[Uids], Uids] = nobody,
    today: date = date.min,
) -> Judged:
    """Return the effects and the risks of changes, from ``today`` on.

    ``suspended`` returns which of the uids that come back are suspended.

    ``known`` reads what the runtime knows of those of some tenants that have a caller, and of some others; it is not asked where
    no change bears on access.
    """
    besides = {change.address.tenant for change in changes if change.address.kind == "caller"}
    tenants = _touched(changes)
    if not tenants:
        return Judged()
    rows = [*known(tenants, besides)]
    governed = besides | {one.address.tenant for one in rows}
    if not governed and all(change.old is None for change in changes):
        return Judged()  # nobody calls anything, and what is new leads nowhere else than before
    from reconciler.access.effects import effects_of  # imported where there is something to compare

    kinds = deciding()
    bearing = [change for change in changes if change.address.kind in kinds]
    back = frozenset((one.address.tenant, one.restored_uid) for one in bearing if one.restored_uid)
    own = (change for change in bearing if change.address.tenant in governed)
    found = effects_of(rows, own, project, suspended(back) if back else back, today)
    uncalled = rewired(change for change in bearing if change.address.tenant not in governed)
    return replace(found, risks={**found.risks, **dict.fromkeys(uncalled, frozenset({WIDENED}))})


def _touched(changes: Iterable[Change]) -> set[str]:
    """Return the tenants in which a change bears on access. All kinds are loaded for them only where those at hand leave it open."""
    by_kind = defaultdict[str, set[str]](set)
    for change in changes:
        by_kind[change.address.kind].add(change.address.tenant)
    plain = {kind for kind in by_kind if kind in _DECIDING or (kind in KINDS and KINDS[kind].calls is not None)}
    found = set[str]().union(*(by_kind.pop(kind) for kind in plain))
    for kind, tenants in by_kind.items():
        if not tenants <= found and kind in deciding():
            found |= tenants
    return found


def with_effects(plan: Plan, known: Reader, suspended: Callable[[Uids], Uids] = nobody, today: date = date.min) -> Plan:
    """Return the plan with its effects, and with the risks of access on the changes that they come from."""
    found = judged(plan.changes, plan.project, known, suspended, today)
    if not found.risks:
        return plan
    risks = found.risks
    changes = tuple(
        replace(one, risks=in_order({*one.risks, *risks[one.address]})) if one.address in risks else one
        for one in plan.changes
    )
    return replace(plan, changes=changes, effects=found.effects, notes=(*plan.notes, *found.notes))
