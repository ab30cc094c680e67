"""Resources taken out of use by operators, and taken into use again: status that no apply lifts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import Connection, text

from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.kinds.wording import nearest
from reconciler.model.address import Address
from reconciler.model.audit import Actor
from reconciler.model.status import moment
from reconciler.store.audit import note
from reconciler.store.filing import changing_status
from reconciler.store.status import UnknownTarget, meant
from reconciler.store.status_change import SUSPENDED
from reconciler.store.url import Database

_SUSPEND = f"""INSERT INTO statuses AS s (tenant, uid, suspended_by, suspended_reason, suspended_at)
  VALUES (:tenant, :uid, :by, :reason, :at)
  ON CONFLICT (tenant, uid) DO UPDATE SET suspended_by = :by, suspended_reason = :reason, suspended_at = :at
  WHERE NOT {SUSPENDED.format("s")}"""
_RESUME = f"""UPDATE statuses SET suspended_by = NULL, suspended_reason = NULL, suspended_at = NULL
  WHERE tenant = :tenant AND uid = :uid AND {SUSPENDED.format("statuses")}"""


class NotSuspended(ReconcilerError):
    code: ClassVar[Code] = "not-suspended"


def suspend(database: Database, address: Address, reason: str, actor: Actor) -> bool:
    """Suspend a live resource; return False where it is suspended already. Raises UnknownTarget.

    Waits for an apply that writes, as every change of status but a freeze does.
    """
    with changing_status(database, actor, f"the suspension of {address}") as connection:
        values = {"tenant": address.tenant, "uid": _uid(connection, address), "by": actor.name, "reason": reason}
        changed = connection.execute(text(_SUSPEND), {**values, "at": moment(datetime.now(UTC))}).rowcount > 0
        if changed:
            note(connection, "suspend", actor, {"target": str(address), "uid": values["uid"], "reason": reason})
    return changed


def resume(database: Database, address: Address, reason: str, actor: Actor) -> None:
    """Lift the suspension of a live resource. Raises UnknownTarget, or NotSuspended where there is none."""
    with changing_status(database, actor, f"the end of the suspension of {address}") as connection:
        uid = _uid(connection, address)
        if not connection.execute(text(_RESUME), {"tenant": address.tenant, "uid": uid}).rowcount:
            raise _not_suspended(connection, address)
        note(connection, "resume", actor, {"target": str(address), "uid": uid, "reason": reason})


def _uid(connection: Connection, address: Address) -> str:
    sql = "SELECT uid FROM resources WHERE tenant = :tenant AND kind = :kind AND name = :name"
    uid = connection.execute(text(sql), address._asdict()).scalar()
    if uid is None:
        near = meant(connection, str(address))
        hint = f"did you mean {near}?" if near else "see `reconciler list`"
        raise UnknownTarget(f"there is no {address}", hint=hint)
    return str(uid)


def _not_suspended(connection: Connection, address: Address) -> NotSuspended:
    sql = (
        "SELECT r.tenant, r.kind, r.name FROM resources r JOIN statuses s ON (s.tenant, s.uid) = (r.tenant, r.uid) "
        f"WHERE {SUSPENDED.format('s')}"
    )
    suspended = ["/".join(parts) for parts in connection.execute(text(sql))]
    near = nearest(str(address), suspended)
    hint = f"did you mean {near}?" if near else "suspended resources have a note in `reconciler list`"
    return NotSuspended(f"{address} is not suspended", hint=hint if suspended else "nothing is suspended")
