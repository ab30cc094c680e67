"""Evidence read back: what was done and what was refused, the newest first."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, inspect, text

from reconciler.errors import ReconcilerError
from reconciler.runtime.ledger.entries import Level
from reconciler.runtime.ledger.judge import key_of
from reconciler.runtime.ledger.narrowing import ALL, Narrowed
from reconciler.runtime.ledger.schema import EXISTS, REVISION, first_id
from reconciler.store.connect import exists, reading
from reconciler.store.url import Database

_ID = re.compile(r"[0-9a-f]{1,32}")
_LAST = 2.0**56 // 1_000_000 - 1
"""The last second that an id can begin with, in the year 4253."""
_NAMES = "s.caller, s.key, s.token_roles, p.project, p.connector, p.chain, COALESCE(y.policy, '') AS policy"
_DICTIONARIES = (
    "LEFT JOIN subjects s ON s.number = i.subject LEFT JOIN paths p ON p.number = i.path "
    "LEFT JOIN policies y ON y.number = i.policy"
)
_INTENTS = (
    f"SELECT i.id, i.at, i.ends, i.tenant, i.run, p.target, p.action, {_NAMES}, i.value_hash, i.generation, i.drifted, "
    "i.shadow, i.trace, o.outcome, o.at AS completed, o.result_rows, o.size, o.duration_ms, o.code, o.status, o.output_hash "
    f"FROM intents i LEFT JOIN outcomes o ON o.id = i.id {_DICTIONARIES}"
)
_DENIALS = (
    "SELECT i.id, i.at, i.tenant, i.run, COALESCE(p.target, i.target) AS target, COALESCE(p.action, i.action) AS action, "
    f"{_NAMES}, i.generation, i.reason, i.detail, 1 + COALESCE(c.n, 0) AS n, COALESCE(c.at, i.at) AS last "
    f"FROM denials i LEFT JOIN denial_counts c ON c.id = i.id {_DICTIONARIES}"
)
_DAY = 86400.0


def evidence(
    database: Database,
    tenants: tuple[str, ...],
    limit: int,
    before: str = "",
    caller: str | None = None,
    narrowed: Narrowed = ALL,
) -> list[dict[str, Any]]:
    """Return evidence of these tenants (of all where none is named), older than the id ``before``, the newest first.

    Raises what a reader may see.
    """
    asked = narrowed if caller is None else narrowed._replace(caller=caller)
    with opened(database, tenants) as connection:
        where, parameters = _where(connection, tenants, before, asked)
        parameters["limit"] = limit
        found = []
        for sql, condition, shown in _sources(asked):
            records = connection.execute(
                text(f"{sql} WHERE {where}{condition} ORDER BY i.id DESC LIMIT :limit"), parameters
            )
            found += [shown(record._asdict()) for record in records]
        return sorted(found, key=lambda one: str(one["id"]), reverse=True)[:limit]


def _sources(asked: Narrowed) -> Iterator[tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]]]:
    """Yield what to read, what it has to be besides, and how a record of it is shown."""
    if asked.outcome != "denied":
        yield _INTENTS, _of_outcome(asked.outcome) + (" AND p.target = :target" if asked.target else ""), _call
    if asked.outcome in {None, "denied"}:
        yield _DENIALS, " AND COALESCE(p.target, i.target) = :target" if asked.target else "", _denial


def _of_outcome(outcome: str | None) -> str:
    if outcome is None:
        return ""
    if outcome == "running":
        return " AND o.outcome IS NULL AND i.ends >= :now"
    if outcome == "unknown":
        return " AND (o.outcome = :outcome OR (o.outcome IS NULL AND i.ends < :now))"
    return " AND o.outcome = :outcome"


def one(database: Database, identity: str, tenants: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """Return one piece of evidence by its id; None where there is none for these tenants."""
    if not is_id(identity):
        return None
    with opened(database, tenants) as connection:
        for sql, shown in ((_INTENTS, _call), (_DENIALS, _denial)):
            given = {"id": identity.ljust(32, "0")}
            record = connection.execute(text(f"{sql} WHERE i.id = {_id(connection, 'id')}"), given).first()
            if record is not None:
                found = shown(record._asdict())
                return found if not tenants or found["tenant"] in tenants else None
    return None


def is_id(text: str) -> bool:
    """Whether a text may be the id of evidence; ids of early releases have fewer digits, and zeros behind them now."""
    return _ID.fullmatch(text) is not None


def _id(connection: Connection, parameter: str) -> str:
    return f":{parameter}" if connection.dialect.name == "sqlite" else f"CAST(:{parameter} AS uuid)"


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
        require_revision(connection)
        if not database.is_sqlite and len(tenants) == 1:
            connection.execute(text("SELECT set_config('reconciler.tenant', :tenant, true)"), {"tenant": tenants[0]})
        yield connection


def require_revision(connection: Connection) -> None:
    """Raise ReconcilerError for a store of another revision than this program's."""
    version = str(connection.execute(text("SELECT version FROM runtime_schema")).scalar_one())
    if version != str(REVISION):
        newer = version.isdigit() and int(version) > REVISION
        what = (
            "upgrade this reconciler"
            if newer
            else "`reconciler serve` or `evidence prepare` brings it to the current one"
        )
        raise ReconcilerError(
            f"the store is of version {version}, expected {REVISION}: {what}",
            code="store-newer" if newer else "store-older",
        )


def tables(database: Database) -> tuple[str, ...] | None:
    """Return the names of a store's tables and its version; None where it can't be asked."""
    try:
        if not exists(database):
            return ()
        with reading(database) as connection:
            found = sorted(inspect(connection).get_table_names())
            if not connection.execute(text(EXISTS[connection.dialect.name])).scalar():
                return (*found,)
            return (*found, str(connection.execute(text("SELECT version FROM runtime_schema")).scalar()))
    except Exception:
        return None


def _where(
    connection: Connection, tenants: tuple[str, ...], before: str, asked: Narrowed
) -> tuple[str, dict[str, Any]]:
    names = [f"t{number}" for number in range(len(tenants))]
    parts = [f"i.tenant IN ({', '.join(f':{name}' for name in names)})"] if names else ["1 = 1"]
    parts += [f"i.id < {_id(connection, 'before')}"] if before else []
    parts += [f"{column} = :{name}" for name, column in _EQUAL.items() if getattr(asked, name)]
    given: dict[str, Any] = {**asked._asdict(), "before": before.ljust(32, "0"), "now": time.time()}
    # an id begins with the clock of its server: a day more than what is asked for, so that an index finds it
    for name, sign, slack in (("since", ">=", -_DAY), ("until", "<", _DAY)):
        moment = given[name]
        if moment is not None:
            parts += [f"i.at {sign} :{name}", f"i.id {sign} {_id(connection, f'{name}_id')}"]
            given[f"{name}_id"] = first_id(min(max(0.0, moment + slack), _LAST))
    return " AND ".join(parts), {**given, **dict(zip(names, tenants, strict=True))}


_EQUAL = {"caller": "s.caller", "run": "i.run"}


def moment(seconds: float) -> str:
    """Format seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _shared(row: dict[str, Any]) -> dict[str, Any]:
    """Return what calls and refusals have in common."""
    return {
        **{name: row[name] for name in ("tenant", "caller")},
        "key": row["key"],
        "token_roles": json.loads(row["token_roles"]),
        **{name: row[name] for name in ("run", "target")},
        "connector": row["connector"] or "",
        **{name: row[name] for name in ("action", "policy", "generation")},
        "project": row["project"] or "",
        "path": [{"address": address, "uid": uid} for address, uid in json.loads(row["chain"] or "[]")],
        "requested": moment(row["at"]),
    }


def _call(row: dict[str, Any]) -> dict[str, Any]:
    over = row["outcome"] is None and time.time() > row["ends"]
    return {
        "id": _hex(row["id"]),
        "decision": "allow",
        **_shared(row),
        "drifted": bool(row["drifted"]),
        "value_hash": _hex(row["value_hash"]),
        "shadow": row["shadow"],
        "trace": _hex(row["trace"]),
        "completed": None if row["completed"] is None else moment(row["completed"]),
        "outcome": row["outcome"] or ("unknown" if over else "running"),
        "code": row["code"] or "",
        "status": row["status"],
        "rows": row["result_rows"],
        "bytes": row["size"],
        "output_hash": _hex(row["output_hash"] or ""),
        "duration_ms": row["duration_ms"],
    }


def _denial(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": _hex(row["id"]),
        "decision": "deny",
        **_shared(row),
        "reason": row["reason"],
        "detail": row["detail"],
        "times": row["n"],
        "first_at": moment(row["at"]),
        "last_at": moment(row["last"]),
    }


def _hex(value: Any) -> str:
    """Return an id or a hash as hexadecimal digits, however the database gives it."""
    if isinstance(value, str):
        return value
    return value.hex if isinstance(value, UUID) else bytes(value).hex()
