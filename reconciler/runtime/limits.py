"""A tenant's limits, and its connectors' own rates, turned into the levels that one call counts against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, TypedDict

from msgspec import Meta

from reconciler.access.memo import Memo
from reconciler.access.resource import Resource
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.model.target import PARTS, part_uid
from reconciler.runtime.ledger.entries import Level

TENANT = "tenant"


class LimitStatus(TypedDict):
    """One limit, and how much of it is used in the current window."""

    target: str
    unit: Annotated[str, Meta(extra_json_schema={"enum": ["requests", "concurrent"]})]
    period: str | None
    limit: int
    used: int
    percent: float
    on_exceed: Annotated[str, Meta(extra_json_schema={"enum": ["block", "warn"]})]


def levels_of(tenant: Tenant, caller: str, target: Target) -> tuple[Level, ...]:
    """Return the tenant's, the caller's, and those of everything that the call goes through."""
    kept = tenant.once(_kept)
    key = (caller, target.name, target.action)
    found = kept.get(key)
    if found is None:
        found = _levels_of(tenant, caller, target)
        kept.keep(key, found)
    return found


def _kept(_tenant: Tenant) -> Memo[tuple[str, str, str], tuple[Level, ...]]:
    return Memo()


def _levels_of(tenant: Tenant, caller: str, target: Target) -> tuple[Level, ...]:
    by_target = tenant.once(_compiled)
    parts = [target.name] if target.part is not None else []
    names = [TENANT, f"caller/{caller}", *parts, *(one.name for one in target.chain)]
    found = [level for name in names for level in by_target.get(name, ())]
    return tuple(found + [level for one in target.chain for level in _own(tenant.name, one)])


def declared(tenant: Tenant, caller: str | None = None) -> list[Level]:
    """Return the tenant's own limits: all of them, or those that are about one caller and everybody."""
    levels = [level for found in tenant.once(_compiled).values() for level in found]
    wanted = levels if caller is None else [one for one in levels if one.target in {TENANT, f"caller/{caller}"}]
    return sorted(wanted)


def by_limit(tenant: Tenant) -> Iterator[tuple[str, Level]]:
    """Yield each limit's uid with what it counts."""
    for name in tenant.names("limit"):
        limit = tenant.resource(name)
        for level in _levels(tenant, limit) if limit else ():
            yield limit.known.uid if limit else "", level


def status_of(levels: Sequence[Level], used: Sequence[int]) -> list[LimitStatus]:
    """Return the status of each level, with what is ``used`` of it."""
    return [
        {
            "target": level.target,
            "unit": level.unit,
            "period": level.per or None,
            "limit": level.cap,
            "used": n,
            "percent": round(100 * n / level.cap, 1) if level.cap else 100.0,
            "on_exceed": "warn" if level.warns else "block",
        }
        for level, n in zip(levels, used, strict=True)
    ]


def _own(tenant: str, one: Resource) -> Sequence[Level]:
    rate = one.body.get("rate_limit")
    if not isinstance(rate, int):
        return []
    return [Level(tenant, f"{one.name}#rate", "requests", "minute", rate, counter=f"{one.known.uid}#rate")]


def uid_of(tenant: Tenant, name: str) -> str | None:
    """Return the uid of `kind/name`, of a part with its name behind it; None for the tenant itself, and for a name that nothing has."""
    word, _, rest = name.partition("/")
    whole, _, part = rest.partition("/")
    known = tenant.resources.get(f"{PARTS[word]}/{whole}" if word in PARTS else name)
    if known is None or not known.uid:
        return None
    return part_uid(known.uid, part) if word in PARTS else known.uid


def _compiled(tenant: Tenant) -> Mapping[str, Sequence[Level]]:
    by_target: dict[str, list[Level]] = defaultdict(list)
    for name in tenant.names("limit"):
        limit = tenant.resource(name)
        for level in _levels(tenant, limit) if limit else _nothing(tenant.name):
            by_target[level.target].append(level)
    return dict(by_target)


def _levels(tenant: Tenant, limit: Resource) -> Sequence[Level]:
    body, levels = limit.body, []
    target, warns = body["target"], body["on_exceed"] == "warn"
    counter = uid_of(tenant, target) or ""
    if body.get("requests") is not None:
        levels.append(Level(tenant.name, target, "requests", body["per"], body["requests"], warns, counter))
    if body.get("concurrent") is not None:
        levels.append(Level(tenant.name, target, "concurrent", "", body["concurrent"], warns, counter))
    return levels


def _nothing(tenant: str) -> Sequence[Level]:
    """Return a level of zero for a limit whose body is invalid: it blocks every call until it is repaired."""
    return [Level(tenant, TENANT, "concurrent", "", 0)]
