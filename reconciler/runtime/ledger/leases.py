"""Leases in the runtime's store: one server does a job, and its number keeps former holders from writing."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Connection, text

from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

_TAKE = """INSERT INTO leases AS l (name, holder, number, ends) VALUES (:name, :holder, 1, :ends)
  ON CONFLICT (name) DO UPDATE SET holder = :holder, ends = :ends,
    number = CASE WHEN l.holder = :holder AND l.ends >= :now THEN l.number ELSE l.number + 1 END
  WHERE l.holder = :holder OR l.ends < :now RETURNING number"""


class LeaseLost(ReconcilerError):
    """Another process holds the lease now."""

    code: ClassVar[Code] = "lock-timeout"


def hold(store: Database, name: str, holder: str, seconds: float) -> int | None:
    """Take a lease or renew it; return its number, None while another holds it. Raises what the store says.

    Time is the store's. A holder that comes too late to renew gets a new number, as any other would.
    """
    with writing_store(store) as connection:
        now = now_of(connection)
        values = {"name": name, "holder": holder, "now": now, "ends": now + seconds}
        number = connection.execute(text(_TAKE), values).scalar()
        return None if number is None else int(number)


def require_held(connection: Connection, name: str, number: int) -> None:
    """Lock the lease until the caller's transaction ends. Raises LeaseLost where another has taken it since."""
    lock = "" if connection.dialect.name == "sqlite" else " FOR SHARE"
    found = connection.execute(text(f"SELECT number FROM leases WHERE name = :name{lock}"), {"name": name}).scalar()
    if found != number:
        raise LeaseLost(f"another server has taken the lease {name}")
