"""Evidence read back: what was done and what was refused, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from reconciler.errors import ReconcilerError
from reconciler.runtime.ledger.entries import Level
from reconciler.runtime.ledger.judge import key_of
from reconciler.runtime.ledger.schema import EXISTS
from reconciler.store.connect import exists, reading
from reconciler.store.url import Database

_INTENTS = (
    "SELECT i.id, i.at, i.ends, i.tenant, i.caller, i.run, i.target, i.connector, i.action, i.value_hash, i.policy, "
    "i.generation, i.drifted, o.outcome, o.at AS completed, o.result_rows, o.size, o.duration_ms, o.code "
    "FROM intents i LEFT JOIN outcomes o ON o.id = i.id"
)
_DENIALS = "SELECT id, at, tenant, caller, target, reason, policy, generation, n FROM denials i"


def evidence(
    database: Database, tenants: tuple[str, ...], limit: int, before: str = "", caller: str | None = None
) -> list[dict[str, Any]]:
    """Of these tenants (all where none is named), older than the id ``before``. Raises what a reader may see."""
    with opened(database, tenants) as connection:
        where, parameters = _where(tenants, before, caller)
        parameters["limit"] = limit
        found = []
        for sql, shown in ((_INTENTS, _call), (_DENIALS, _denial)):
            records = connection.execute(text(f"{sql} WHERE {where} ORDER BY i.id DESC LIMIT :limit"), parameters)
            found += [shown(record._asdict()) for record in records]
        return sorted(found, key=lambda one: str(one["id"]), reverse=True)[:limit]


def one(database: Database, identity: str, tenants: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """One piece of evidence by its id; None where there is none for these tenants."""
    with opened(database, tenants) as connection:
        for sql, shown in ((_INTENTS, _call), (_DENIALS, _denial)):
            record = connection.execute(text(f"{sql} WHERE i.id = :id"), {"id": identity}).first()
            if record is not None:
                found = shown(record._asdict())
                return found if not tenants or found["tenant"] in tenants else None
    return None


def used(database: Database, tenant: str, levels: Sequence[Level], now: float) -> list[int]:
    """Return what is used of each of a tenant's levels in the windows of ``now``. Raises what a reader may see."""
    with opened(database, (tenant,)) as connection:
        return [_used(connection, level, now) for level in levels]


def _used(connection: Connection, level: Level, now: float) -> int:
    counter, unit, period = key_of(level, now)[1:]
    values = {"tenant": level.tenant, "counter": counter, "unit": unit, "period": period, "now": now}
    if unit == "concurrent":
        sql = "SELECT count(*) FROM slots WHERE tenant = :tenant AND target = :counter AND ends > :now"
    else:
        key = "tenant = :tenant AND target = :counter AND unit = :unit AND period = :period"
        sql = f"SELECT COALESCE(sum(n), 0) FROM counters WHERE {key}"
    return int(connection.execute(text(sql), values).scalar_one())


@contextmanager
def opened(database: Database, tenants: tuple[str, ...] = ()) -> Iterator[Connection]:
    """On PostgreSQL a role that may see one tenant only says which: the one that is asked about."""
    if not exists(database):
        hint = "`reconciler serve` makes it; name it by --store or RECONCILER_RUNTIME_URL"
        raise ReconcilerError(f"{database.display} is not there", code="evidence-missing", hint=hint)
    with reading(database) as connection:
        if not connection.execute(text(EXISTS[connection.dialect.name])).scalar():
            raise ReconcilerError(f"{database.display} holds no evidence", code="evidence-missing")
        if not database.is_sqlite and len(tenants) == 1:
            connection.execute(text("SELECT set_config('reconciler.tenant', :tenant, true)"), {"tenant": tenants[0]})
        yield connection


def _where(tenants: tuple[str, ...], before: str, caller: str | None) -> tuple[str, dict[str, Any]]:
    names = [f"t{number}" for number in range(len(tenants))]
    parts = [f"i.tenant IN ({', '.join(f':{name}' for name in names)})"] if names else ["1 = 1"]
    parts += ["i.id < :before"] if before else []
    parts += ["i.caller = :caller"] if caller else []
    given = {"before": before, "caller": caller}
    return " AND ".join(parts), {**given, **dict(zip(names, tenants, strict=True))}


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _call(row: dict[str, Any]) -> dict[str, Any]:
    over = row["outcome"] is None and datetime.now(UTC).timestamp() > row["ends"]
    return {
        "id": row["id"],
        "decision": "allow",
        **{
            name: row[name]
            for name in ("tenant", "caller", "run", "target", "connector", "action", "policy", "generation")
        },
        "drifted": bool(row["drifted"]),
        "value_hash": row["value_hash"],
        "requested": moment(row["at"]),
        "completed": None if row["completed"] is None else moment(row["completed"]),
        "outcome": row["outcome"] or ("unknown" if over else "running"),
        "code": row["code"] or "",
        "rows": row["result_rows"],
        "bytes": row["size"],
        "duration_ms": row["duration_ms"],
    }


def _denial(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("tenant", "caller", "target", "reason", "policy", "generation")}
    return {"id": row["id"], "decision": "deny", **told, "times": row["n"], "requested": moment(row["at"])}
