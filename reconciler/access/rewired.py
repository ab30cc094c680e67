"""Changes that open more by themselves, for resources that no call goes through: comparing access says nothing of those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.judges import grown
from reconciler.model.plan import Change

_more_roles = grown(empty_is_all=True)


def rewired(changes: Iterable[Change]) -> frozenset[Address]:
    """Return the datasources, templates and routes that lead elsewhere afterwards, or ask for fewer conditions.

    A resource that is only renamed is no other one. A creation is none of these: nothing was there before.
    """
    changes = [*changes]
    renamed = {change.previous: change.address for change in changes if change.previous is not None}
    return frozenset(one.address for one in changes if one.old is not None and _is_rewired(one, renamed))


def _is_rewired(change: Change, renamed: Mapping[Address, Address]) -> bool:
    if change.old == change.new or change.address.kind not in {"datasource", "template", "route"}:
        return False
    before, after = change.before, change.after
    if before is None or after is None:
        return False
    former = {renamed.get(one, one) for one in _leads_to(change.address, before)}
    if former != {*_leads_to(change.address, after)}:
        return True
    return _more_roles(before.get("access_roles") or (), after.get("access_roles") or ())


def _leads_to(address: Address, body: Body) -> Iterator[Address]:
    for reference in KINDS[address.kind].references_of(address.tenant, body):
        if reference.address.kind in {"datasource", "connector", "integration"}:
            yield reference.address
