"""What the runtime knows of a tenant now, turned into what it would know after some changes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import date
from typing import NamedTuple, TypeAlias

from reconciler.access.snapshot import Tenant
from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.plan import Action, Change

Uids: TypeAlias = Container[tuple[str, str]]
"""Tenants and uids."""


class Sides(NamedTuple):
    """One tenant before and after. All keys are ``kind/name``.

    ``former`` maps a name after to the name that the same resource has before; a new resource has no entry.
    ``left`` and ``arrived`` map names before and after to the change that touches them.
    """

    before: Tenant
    after: Tenant
    former: Mapping[str, str]
    left: Mapping[str, Address]
    arrived: Mapping[str, Address]


def sides_of(
    tenant: str,
    known: Iterable[Known],
    changes: Iterable[Change],
    project: str,
    suspended: Uids = frozenset(),
    day: date = date.min,
) -> Sides:
    """Return both sides on one day; ``known`` and ``changes`` are those of the tenant, ``project`` is the one that applies.

    ``suspended`` are the uids, by tenant, that are suspended and may come back.
    """
    before = {_name(one.address): one for one in known}
    after, former = dict(before), {name: name for name in before}
    left: dict[str, Address] = {}
    arrived: dict[str, Address] = {}
    changes = [*changes]
    for change in changes:
        if change.action is not Action.CREATE:
            name = _name(change.previous or change.address)
            after.pop(name, None)
            former.pop(name, None)
            left[name] = change.address
    for change in changes:
        old, new = _name(change.previous or change.address), _name(change.address)
        one = _after(change, before.get(old), project)
        if one is not None and change.restored_uid:
            # a suspension follows the uid: it is in force again with it
            one = one._replace(uid=change.restored_uid, suspended=(tenant, change.restored_uid) in suspended)
        if one is not None:
            after[new] = one
            arrived[new] = change.address
            if change.action is not Action.CREATE:
                former[new] = old
    now = Tenant(tenant, before, today=lambda: day)
    return Sides(now, Tenant(tenant, after, like=now, today=lambda: day), former, left, arrived)


def _name(address: Address) -> str:
    return f"{address.kind}/{address.name}"


def _after(change: Change, before: Known | None, project: str) -> Known | None:
    """Return what is known once the change is applied; None for what is gone."""
    if change.action is Action.DELETE:
        return None
    if change.action is Action.FORGET:
        if before is None or before.live is None:
            return None
        # a row that stays and that nobody manages: an allow of it no longer counts, a deny still does
        return before._replace(applied=None) if change.is_lost else before._replace(project=None, settled=False)
    keeps = before is not None and change.action not in {Action.CREATE, Action.REPLACE}
    return Known(
        change.address,
        before.uid if before is not None and keeps else "",
        Text(change.new_text or "", SPEC_VERSIONS[change.address.kind]),
        project,
        True,
        None,
        # a suspension follows the uid: a replacement begins without one
        before is not None and keeps and before.suspended,
    )
