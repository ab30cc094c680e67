"""Calls that wait for an approval, in the runtime's store: asked for, decided, listed. Their use is ``ledger/uses.py``.

Every moment is the database's, so that replicas and commands agree on what has expired.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.model.approval import Approval
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.schema import CLOCK
from reconciler.runtime.ledger.writing import writing_store
from reconciler.store.url import Database

OF_A_CALLER, OF_A_TARGET = 20, 100
"""How many calls may wait."""
_COLUMNS = (
    "id, bound, state, tenant, caller, caller_uid, issuer, subject, target, action, policy, terms, sealed, asked, expires, "
    "decided, decided_by, reason, evidence, filed"
)
_PENDING = "state = 'pending' AND expires > {now}"
_LIVE = "state IN ('pending', 'approved', 'denied') AND expires > {now}"


class Request(NamedTuple):
    """A call that asks for an approval; ``issuer`` and ``subject`` are the caller's `iss` and `sub`, "" for a key."""

    id: str
    bound: str
    tenant: str
    caller: str
    caller_uid: str
    issuer: str
    subject: str
    target: str
    action: str
    policy: str
    terms: Approval
    sealed: bytes


class Waiting(NamedTuple):
    """A request as it stands. ``state`` is pending, approved, denied, used or expired; ``evidence`` is the call that used it."""

    request: Request
    state: str
    asked: float
    expires: float
    decided: float | None
    decided_by: str
    reason: str
    evidence: str
    filed: bool
    left: float = 0.0
    """Seconds until it expires, by the database's clock."""

    @property
    def id(self) -> str:
        return self.request.id


Tell = Callable[[Connection, Waiting], None]


def _nobody(_connection: Connection, _waiting: Waiting) -> None:
    return None


class Full(Exception):
    """Too many calls wait already: of this caller, or of this target."""


def live(store: Database, bound: str) -> Waiting | None:
    """Return the newest request with these bounds that has not been used and has not expired."""
    with opened(store) as connection:
        return _live(connection, bound)


def get(store: Database, identity: str, tenants: Sequence[str] = ()) -> Waiting | None:
    """Return one request, whatever became of it; None where these tenants (all where none is named) have none."""
    with opened(store, tuple(tenants)) as connection:
        found = _first(connection, "id = :id", {"id": identity})
    return found if found is not None and (not tenants or found.request.tenant in tenants) else None


def listed(
    store: Database, tenants: Sequence[str], limit: int, before: str = "", state: str | None = None
) -> list[Waiting]:
    """Return requests of these tenants (of all where none is named), the newest first."""
    names = {f"t{number}": name for number, name in enumerate(tenants)}
    parts = [f"tenant IN ({', '.join(f':{name}' for name in names)})"] if names else []
    parts += ["id < :before"] if before else []
    with opened(store, tuple(tenants)) as connection:
        found = _rows(connection, " AND ".join(parts) or "1 = 1", {**names, "before": before})
        return [one for one, _ in zip(_in_state(found, state), range(limit), strict=False)]


def ask(store: Database, request: Request, tell: Tell = _nobody) -> tuple[Waiting, bool]:
    """Return the live request with the same bounds, or this one, and whether it is new. Raises Full.

    ``tell`` hears of a new one in the same transaction.
    """
    with writing_store(store) as connection:
        # one at a time in a tenant: nobody passes a bound, or asks twice, by asking at the same time
        if connection.dialect.name == "postgresql":
            sql = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 7248911350112634))"
            connection.execute(text(sql), {"name": f"approvals of {request.tenant}"})
        found = _live(connection, request.bound)
        if found is not None:
            return found, False
        own = {"tenant": request.tenant, "caller": request.caller_uid, "target": request.target}
        for column, most in (("caller_uid = :caller", OF_A_CALLER), ("target = :target", OF_A_TARGET)):
            where = _now(connection, f"tenant = :tenant AND {column} AND {_PENDING}")
            if connection.execute(text(f"SELECT count(*) FROM approvals WHERE {where}"), own).scalar_one() >= most:
                raise Full
        _insert(connection, request)
        made = _first(connection, "id = :id", {"id": request.id})
        assert made is not None
        tell(connection, made)
        return made, True


def decide(connection: Connection, waiting: Waiting, approved: bool, by: str, reason: str) -> bool:
    """Write a decision; return False where it is decided already, or too late."""
    state = "approved" if approved else "denied"
    until = _now(connection, "{now} + :use") if approved else "expires"
    sql = _now(
        connection,
        f"UPDATE approvals SET state = :state, decided = {{now}}, decided_by = :by, reason = :reason, expires = {until} "
        f"WHERE id = :id AND {_PENDING}",
    )
    given = {"state": state, "by": by, "reason": reason, "id": waiting.id}
    given |= {"use": waiting.request.terms.use_minutes * 60.0} if approved else {}  # type: ignore[dict-item]
    return connection.execute(text(sql), given).rowcount == 1


@contextmanager
def deciding(store: Database, identity: str, tenants: Sequence[str]) -> Iterator[tuple[Connection, Waiting | None]]:
    """Yield a transaction in which nobody else decides, and the request."""
    with writing_store(store) as connection:
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        found = _first(connection, "id = :id", {"id": identity}, lock)
        yield connection, found if found and (not tenants or found.request.tenant in tenants) else None


def unfiled(store: Database) -> list[Waiting]:
    """Return decided requests of which the audit trail has no entry yet."""
    with opened(store) as connection:
        return [*_rows(connection, "filed = 0 AND decided IS NOT NULL", {})]


def mark_filed(store: Database, ids: Sequence[str]) -> None:
    """Mark decisions on approvals as filed in the audit trail."""
    with writing_store(store) as connection:
        for identity in ids:
            connection.execute(text("UPDATE approvals SET filed = 1 WHERE id = :id"), {"id": identity})


def _insert(connection: Connection, request: Request) -> None:
    columns = [name.strip() for name in _COLUMNS.split(",")]
    given = {
        **request._asdict(),
        "terms": json.dumps(request.terms._asdict()),
        "state": "pending",
        "decided": None,
        "filed": 0,
        "decided_by": "",
        "reason": "",
        "evidence": "",
        "wait": request.terms.decide_minutes * 60.0,
    }
    moments = {"asked": "{now}", "expires": "{now} + :wait"}
    values = ", ".join(moments.get(name, f":{name}") for name in columns)
    connection.execute(text(_now(connection, f"INSERT INTO approvals ({_COLUMNS}) VALUES ({values})")), given)


def _live(connection: Connection, bound: str) -> Waiting | None:
    return _first(connection, f"bound = :bound AND {_LIVE}", {"bound": bound})


def _first(connection: Connection, where: str, given: dict[str, Any], lock: str = "") -> Waiting | None:
    return next(_rows(connection, where, given, lock), None)


def _rows(connection: Connection, where: str, given: dict[str, Any], lock: str = "") -> Iterator[Waiting]:
    sql = _now(
        connection, f"SELECT {_COLUMNS}, {{now}} AS now FROM approvals WHERE {where} ORDER BY id DESC LIMIT 1000{lock}"
    )
    for row in connection.execute(text(sql), given):
        yield _waiting(row._asdict())


def _in_state(found: Iterator[Waiting], state: str | None) -> Iterator[Waiting]:
    return (one for one in found if state in {None, one.state})


def _waiting(row: dict[str, Any]) -> Waiting:
    terms = json.loads(row["terms"])
    parts = {name: row[name] for name in Request._fields if name not in {"terms", "sealed"}}
    request = Request(**parts, terms=Approval(**{**terms, "roles": (*terms["roles"],)}), sealed=bytes(row["sealed"]))
    is_over = row["state"] in {"pending", "approved"} and row["expires"] <= row["now"]
    moments = row["asked"], row["expires"], row["decided"]
    said = row["decided_by"], row["reason"], row["evidence"]
    left = row["expires"] - row["now"]
    return Waiting(request, "expired" if is_over else row["state"], *moments, *said, bool(row["filed"]), left)


def _now(connection: Connection, sql: str) -> str:
    return sql.replace("{now}", CLOCK[connection.dialect.name])
