"""The newest head of the audit trail, for whoever signs it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from reconciler.model.audit import Head


def due_head(connection: Connection, every: int) -> Head | None:
    """Return the head if the trail passed a multiple of ``every`` entries since the apply before the last one; else None."""
    head = Head(*connection.execute(text("SELECT seq, hash FROM audit_head WHERE one = 1")).one())
    sql = 'SELECT seq FROM audit WHERE body LIKE \'%"event":"apply"%\' ORDER BY seq DESC LIMIT 2'
    _, before = [*connection.execute(text(sql)).scalars(), 0, 0][:2]
    return head if head.seq // every > before // every else None
