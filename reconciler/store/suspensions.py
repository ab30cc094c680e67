"""Resources taken out of use by operators, and taken into use again: status that no apply lifts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

from sqlalchemy import Connection, and_, select, update

from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.kinds.nearest import nearest
from reconciler.model.address import Address
from reconciler.model.audit import Actor
from reconciler.model.status import moment
from reconciler.store.audit import note
from reconciler.store.changing import current
from reconciler.store.dialect import insert
from reconciler.store.filing import changing_status
from reconciler.store.status import UnknownTarget, meant
from reconciler.store.status_change import is_suspended, shown
from reconciler.store.tables import ADDRESS, columns, equal, resources, same, statuses
from reconciler.store.url import Database


class NotSuspended(ReconcilerError):
    """The resource is not suspended."""

    code: ClassVar[Code] = "not-suspended"


def suspend(database: Database, address: Address, reason: str, actor: Actor) -> bool:
    """Suspend a live resource; return False where it is suspended already. Raises UnknownTarget.

    Waits for an apply that writes, as every change of status but a freeze does.
    """
    with changing_status(database, actor, f"the suspension of {address}") as connection:
        uid, now = _uid(connection, address), moment(datetime.now(UTC))
        held = {"suspended_by": actor.name, "suspended_reason": reason, "suspended_at": now}
        row = insert(connection, statuses).values(tenant=address.tenant, uid=uid, **held)
        key = {"index_elements": ["tenant", "uid"], "set_": held, "where": ~is_suspended(statuses)}
        # of an INSERT, SQLAlchemy keeps the count of rows only where it is asked to
        counted = row.on_conflict_do_update(**key).execution_options(preserve_rowcount=True)
        changed: bool = connection.execute(counted).rowcount > 0
        if changed:
            note(connection, "suspend", actor, {"target": str(address), "uid": uid, "reason": reason})
    return changed


def resume(database: Database, address: Address, reason: str, actor: Actor) -> None:
    """Lift the suspension of a live resource. Raises UnknownTarget, or NotSuspended where there is none."""
    with changing_status(database, actor, f"the end of the suspension of {address}") as connection:
        uid = _uid(connection, address)
        own = and_(equal(statuses, {"tenant": address.tenant, "uid": uid}), is_suspended(statuses))
        free = {"suspended_by": None, "suspended_reason": None, "suspended_at": None}
        if not connection.execute(update(statuses).values(free).where(own)).rowcount:
            raise _not_suspended(connection, address)
        note(connection, "resume", actor, {"target": str(address), "uid": uid, "reason": reason})


class Noted(NamedTuple):
    """By tenant and uid: since when, by whom and why something is suspended; and what a test of its credential said."""

    suspended: Mapping[tuple[str, str], str]
    errors: Mapping[tuple[str, str], str]


def read_noted(database: Database) -> Noted:
    """Return what stands in the status of resources. Raises Refused, DatabaseFailed."""
    with current(database) as connection:
        suspended = is_suspended(statuses).label("suspended")
        found = [*connection.execute(select(statuses, suspended))]
    held = {
        (one.tenant, one.uid): f"since {shown(one.suspended_at)} by {one.suspended_by}: {one.suspended_reason}"
        for one in found
        if one.suspended
    }
    return Noted(held, {(one.tenant, one.uid): one.error for one in found if one.error is not None})


def _uid(connection: Connection, address: Address) -> str:
    uid = connection.execute(select(resources.c.uid).where(equal(resources, address._asdict()))).scalar()
    if uid is None:
        near = meant(connection, str(address))
        hint = f"did you mean {near}?" if near else "see `reconciler list`"
        raise UnknownTarget(f"there is no {address}", hint=hint)
    return str(uid)


def _not_suspended(connection: Connection, address: Address) -> NotSuspended:
    held = resources.join(statuses, same(statuses, resources, ("tenant", "uid")))
    chosen = select(*columns(resources, ADDRESS)).select_from(held).where(is_suspended(statuses))
    suspended = ["/".join(parts) for parts in connection.execute(chosen)]
    near = nearest(str(address), suspended)
    hint = f"did you mean {near}?" if near else "suspended resources have a note in `reconciler list`"
    return NotSuspended(f"{address} is not suspended", hint=hint if suspended else "nothing is suspended")
