"""Usage of models summed up by caller, model, route, integration or day, with percentiles of how long calls took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, get_args

from msgspec import Meta
from sqlalchemy import Connection, text

from reconciler.model.price import PICO
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.writing import now_of
from reconciler.store.url import Database

By = Literal["caller", "model", "route", "integration", "day"]
BY: tuple[By, ...] = get_args(By)
PERCENTS = (50, 95, 99)
DEFAULT_DAYS = 30
_KEYS: Mapping[By, str] = {
    "caller": "caller",
    "model": "CASE WHEN provider = '' THEN model ELSE provider || '/' || model END",
    "route": "CASE WHEN route = '' THEN integration ELSE route END",
    "integration": "integration",
    "day": "{day}",
}
_DAYS = {
    "sqlite": "date(at, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
# sums of pico-dollars may pass 64 bits, which SQLite takes for an error: a million times as much is summed apart
_SUMS = (
    "count(*) AS calls, sum(CASE WHEN error <> '' THEN 1 ELSE 0 END) AS failed, sum(tries) AS tries, sum(tokens_in) AS tokens_in, "
    "sum(cached) AS cached, sum(written) AS written, sum(tokens_out) AS tokens_out, sum(reasoning) AS reasoning, "
    "sum(kept_tokens) AS kept_tokens, sum(cost / 1000000) AS millions, sum(cost % 1000000) AS ones, "
    "sum(kept_cost / 1000000) AS kept_millions, sum(kept_cost % 1000000) AS kept_ones, "
    "sum(CASE WHEN cost IS NULL THEN 1 ELSE 0 END) AS unpriced, sum(CASE WHEN at >= :minute THEN 1 ELSE 0 END) AS last_minute"
)
_RANKED = (
    "SELECT key, source, tenant, n, {column} AS ms, rank FROM (SELECT {key} AS key, source, tenant, {column}, "
    "row_number() OVER (PARTITION BY {key}, source, tenant ORDER BY {column}) AS rank, "
    "count(*) OVER (PARTITION BY {key}, source, tenant) AS n FROM usage WHERE {where} AND {column} IS NOT NULL) AS r "
    f"WHERE rank IN ({', '.join(f'(n * {percent} + 99) / 100' for percent in PERCENTS)})"
)
_Percentiles = Annotated[
    dict[str, int], Meta(description="Milliseconds by percentile: p50, p95 and p99; empty without any.")
]


class UsageSum(TypedDict):
    """Calls of models that have a caller, a model, a route, an integration or a day in common.

    ``key`` is what they have in common. ``tokens_in`` has those read from a cache and written to one, ``tokens_out`` those of
    reasoning. ``cost_usd`` is that of the calls whose cost is known, ``kept_cost_usd`` what limits were charged for tries whose use nobody knows.
    """

    tenant: str
    key: str
    source: Literal["metered", "reported"]
    calls: int
    failed: int
    tries: int
    tokens_in: int
    cached: int
    written: int
    tokens_out: int
    reasoning: int
    cost_usd: float
    unpriced: Annotated[int, Meta(description="Calls whose cost is not known.")]
    kept_tokens: int
    kept_cost_usd: float
    last_minute: Annotated[int, Meta(description="Calls that ended within the last 60 seconds.")]
    latency_ms: _Percentiles
    first_ms: _Percentiles


class Asked(NamedTuple):
    """Which usage is summed up; moments are seconds since 1970, ``until`` is excluded. No tenants are all of them."""

    by: By
    tenants: tuple[str, ...] = ()
    since: float = 0.0
    until: float | None = None
    caller: str | None = None


def usage_sums(store: Database, asked: Asked) -> list[UsageSum]:
    """Return usage by key, the dearest first, days in their order. Raises what a reader may see."""
    with opened(store, asked.tenants) as connection:
        where, values = _where(asked)
        values["minute"] = now_of(connection) - 60.0
        key = _KEYS[asked.by].format(day=_DAYS[connection.dialect.name])
        sql = f"SELECT {key} AS key, source, tenant, {_SUMS} FROM usage WHERE {where} GROUP BY 1, 2, 3"
        rows = [row._asdict() for row in connection.execute(text(sql), values)]
        latency, first = (_percentiles(connection, key, column, where, values) for column in ("latency_ms", "first_ms"))
    found = [_sum(row, latency, first) for row in rows]
    if asked.by == "day":
        return sorted(found, key=lambda one: (one["key"], one["tenant"], one["source"]))
    return sorted(found, key=lambda one: (-one["cost_usd"], one["tenant"], one["key"], one["source"]))


def _where(asked: Asked) -> tuple[str, dict[str, Any]]:
    names = {f"t{number}": tenant for number, tenant in enumerate(asked.tenants)}
    parts = ["at >= :since"]
    parts += [f"tenant IN ({', '.join(f':{name}' for name in names)})"] if names else []
    parts += ["at < :until"] if asked.until is not None else []
    parts += ["caller = :caller"] if asked.caller is not None else []
    return " AND ".join(parts), {**names, "since": asked.since, "until": asked.until, "caller": asked.caller}


_Group = tuple[str, str, str]


def _percentiles(
    connection: Connection, key: str, column: str, where: str, values: Mapping[str, Any]
) -> Mapping[_Group, dict[str, int]]:
    """Return the percentiles of each group: the smallest value that so many percent are not above."""
    found: dict[_Group, dict[str, int]] = defaultdict(dict)
    sql = _RANKED.format(key=key, column=column, where=where)
    for name, source, tenant, n, ms, rank in connection.execute(text(sql), values):
        for percent in PERCENTS:
            if rank == (n * percent + 99) // 100:
                found[name, source, tenant][f"p{percent}"] = int(ms)
    return found


def _sum(
    row: Mapping[str, Any], latency: Mapping[_Group, dict[str, int]], first: Mapping[_Group, dict[str, int]]
) -> UsageSum:
    group = row["key"], row["source"], row["tenant"]
    sums = {name: int(row[name] or 0) for name in row if name not in {"key", "source", "tenant"}}
    return {
        "tenant": row["tenant"],
        "key": row["key"],
        "source": row["source"],
        "calls": sums["calls"],
        "failed": sums["failed"],
        "tries": sums["tries"],
        "tokens_in": sums["tokens_in"],
        "cached": sums["cached"],
        "written": sums["written"],
        "tokens_out": sums["tokens_out"],
        "reasoning": sums["reasoning"],
        "cost_usd": (sums["millions"] * 10**6 + sums["ones"]) / PICO,
        "unpriced": sums["unpriced"],
        "kept_tokens": sums["kept_tokens"],
        "kept_cost_usd": (sums["kept_millions"] * 10**6 + sums["kept_ones"]) / PICO,
        "last_minute": sums["last_minute"],
        "latency_ms": latency.get(group, {}),
        "first_ms": first.get(group, {}),
    }
