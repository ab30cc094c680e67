"""The newest head of the audit trail, to be signed."""

from __future__ import annotations

from sqlalchemy import Connection, select

from reconciler.model.audit import Head
from reconciler.store.tables import audit, audit_head


def due_head(connection: Connection, every: int) -> Head | None:
    """Return the head if the trail passed a multiple of ``every`` entries since the apply before the last one; else None."""
    head = Head(*connection.execute(select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.one == 1)).one())
    applies = select(audit.c.seq).where(audit.c.body.like('%"event":"apply"%'))
    _, before = [*connection.execute(applies.order_by(audit.c.seq.desc()).limit(2)).scalars(), 0, 0][:2]
    return head if head.seq // every > before // every else None
