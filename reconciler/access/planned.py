"""A plan judged by what it does to access: the one function that plans, saved plans and applies get their access risks from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from datetime import date
from functools import cache
from typing import TypeAlias

from msgspec.structs import replace

from reconciler.access.effects import effects_of
from reconciler.access.rewired import rewired
from reconciler.kinds.targets import carrying
from reconciler.model.effects import WIDENED, Judged
from reconciler.model.known import Known
from reconciler.model.plan import Change, Plan
from reconciler.model.risk import in_order

Uids: TypeAlias = Set[tuple[str, str]]
Reader: TypeAlias = Callable[[Set[str], Set[str]], Iterable[Known]]


@cache
def deciding() -> frozenset[str]:
    """Return the kinds by which a call is decided: callers, policies, what can be called, and all that stands behind it."""
    return carrying() | {"caller", "policy"}


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
    kinds = deciding()
    bearing = [change for change in changes if change.address.kind in kinds]
    if not bearing:
        return Judged()
    besides = {change.address.tenant for change in bearing if change.address.kind == "caller"}
    rows = [*known({change.address.tenant for change in bearing}, besides)]
    governed = besides | {one.address.tenant for one in rows}
    back = frozenset((one.address.tenant, one.restored_uid) for one in bearing if one.restored_uid)
    own = (change for change in bearing if change.address.tenant in governed)
    found = effects_of(rows, own, project, suspended(back) if back else back, today)
    uncalled = rewired(change for change in bearing if change.address.tenant not in governed)
    return replace(found, risks={**found.risks, **dict.fromkeys(uncalled, frozenset({WIDENED}))})


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
