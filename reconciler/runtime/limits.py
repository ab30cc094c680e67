"""A tenant's limits, and its connectors' own rates, turned into the levels that one call counts against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from reconciler.access.memo import Memo
from reconciler.access.resource import Resource
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.model.price import MOST, PICO
from reconciler.model.target import PARTS, part_uid
from reconciler.runtime.ledger.entries import METERED, Level, amount_of

TENANT = "tenant"


class LimitStatus(TypedDict):
    """One limit, and how much of it is used in the current window.

    ``held`` is what calls in flight have reserved of tokens and cost besides. Amounts of `cost_usd` are US dollars, of other units
    whole numbers.
    """

    target: str
    unit: Annotated[str, Meta(extra_json_schema={"enum": ["requests", "concurrent", "tokens", "cost_usd"]})]
    period: str | None
    limit: int | float
    used: int | float
    held: NotRequired[int | float]
    percent: float
    on_exceed: Annotated[str, Meta(extra_json_schema={"enum": ["block", "warn"]})]


def levels_of(tenant: Tenant, caller: str, target: Target) -> tuple[Level, ...]:
    """Return the tenant's, the caller's, and those of everything that the call goes through; tokens and cost are those of tries."""
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
    own = [one for one in target.chain if one.name not in target.asks]
    names = [TENANT, f"caller/{caller}", *parts, *(one.name for one in own)]
    found = [level for name in names for level in by_target.get(name, ()) if level.unit not in METERED]
    return tuple(found + [level for one in own for level in _own(tenant.name, one)])


def levels_of_call(tenant: Tenant, caller: str, route: str, is_inside: bool = False) -> tuple[Level, ...]:
    """Return what a model call counts against once, however many tries it takes; ``route`` is `route/NAME` or "".

    One ``is_inside`` of another call takes no second slot: the other call holds one until both have ended.
    """
    by_target = tenant.once(_compiled)
    names = (TENANT, f"caller/{caller}", route)
    units = {*METERED, "concurrent"} if is_inside else METERED
    return tuple(level for name in names for level in by_target.get(name, ()) if level.unit not in units)


def levels_of_try(tenant: Tenant, caller: str, route: str, integration: str) -> tuple[Level, ...]:
    """Return what each try of a model call counts against: tokens and cost of all, and everything of the integration.

    ``integration`` is `integration/NAME`. Amounts are those of ``money.hold``.
    """
    by_target = tenant.once(_compiled)
    names = (TENANT, f"caller/{caller}", route)
    found = [level for name in names for level in by_target.get(name, ()) if level.unit in METERED]
    one = tenant.resource(integration)
    own = _own(tenant.name, one) if one is not None else ()
    return (*found, *by_target.get(integration, ()), *own)


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


def counters_of(levels: Sequence[Level]) -> list[Level]:
    """Return the levels whose use ``status_of`` takes: each, and then what is held of each."""
    return [*levels, *(level.held for level in levels)]


def status_of(levels: Sequence[Level], used: Sequence[int]) -> list[LimitStatus]:
    """Return the status of each level; ``used`` is what is used of ``counters_of`` them."""
    pairs = zip(used[: len(levels)], used[len(levels) :], strict=True)
    return [_status(level, *pair) for level, pair in zip(levels, pairs, strict=True)]


def _status(level: Level, used: int, held: int) -> LimitStatus:
    found: LimitStatus = {
        "target": level.target,
        "unit": "cost_usd" if level.unit == "cost" else level.unit,
        "period": level.per or None,
        "limit": amount_of(level.unit, level.cap),
        "used": amount_of(level.unit, used),
        "percent": round(100 * used / level.cap, 1) if level.cap else 100.0,
        "on_exceed": "warn" if level.warns else "block",
    }
    if level.unit in METERED:
        found["held"] = amount_of(level.unit, held)
    return found


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
    expects = body.get("reserve") == "expected"
    amounts = {"tokens": body.get("tokens"), "cost": _pico(body.get("cost_usd"))}
    for unit, cap in amounts.items():
        if cap is not None:
            levels.append(Level(tenant.name, target, unit, body["per"], cap, warns, counter, expected=expects))
    if body.get("concurrent") is not None:
        levels.append(Level(tenant.name, target, "concurrent", "", body["concurrent"], warns, counter))
    return levels


def _pico(dollars: str | None) -> int | None:
    """Return an amount of US dollars in pico-dollars, at most what a counter holds."""
    return None if dollars is None else min(MOST, int(Decimal(str(dollars)) * PICO))


def _nothing(tenant: str) -> Sequence[Level]:
    """Return a level of zero for a limit whose body is invalid: it blocks every call until it is repaired."""
    return [Level(tenant, TENANT, "concurrent", "", 0)]
