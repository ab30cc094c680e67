"""The status of resources: what is in force, what operators decided, health, use, and the state that follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, TypedDict

from msgspec import Meta

from reconciler.access.resource import Resource
from reconciler.access.snapshot import Tenant
from reconciler.access.target import unserved_by
from reconciler.kinds.states import Facts, StateRule, state_of
from reconciler.model.address import Address
from reconciler.model.health import DEGRADED, FAILING, Standing
from reconciler.model.status import Status
from reconciler.runtime.ledger.deliveries import Backlog
from reconciler.runtime.ledger.use_counts import Key, Use
from reconciler.runtime.limits import LimitStatus

_UNWELL = frozenset({DEGRADED, FAILING})


class HealthShown(TypedDict):
    """What checks add up to."""

    state: str
    since: str
    checked: str
    latency_ms: int | None
    reason: str


class MessagesShown(TypedDict):
    """What a connector of the type `notification` was given to deliver."""

    waiting: Annotated[int, Meta(description="Deliveries that wait, for their time or for another attempt.")]
    dead: Annotated[int, Meta(description="Deliveries that were given up within the last week.")]
    oldest_seconds: Annotated[int | None, Meta(description="How long the oldest has waited.")]
    last_error: str


class ResourceStatus(TypedDict):
    """The status of one resource. ``health``, ``last_used`` and the counts are null where no runtime's store was read."""

    address: str
    kind: str
    type: str | None
    project: Annotated[str | None, Meta(description="Its owner; null for a resource that was made by hand.")]
    generation: Annotated[int, Meta(description="The project's apply that is in force.")]
    drifted: bool
    frozen: Annotated[str | None, Meta(description="Since when, by whom and why.")]
    suspended: Annotated[str | None, Meta(description="Since when, by whom and why.")]
    state: Annotated[str | None, Meta(description="Null for a kind without states.")]
    because: Annotated[str | None, Meta(description="The rule that the state follows from.")]
    error: Annotated[str | None, Meta(description="What a test of the credential said.")]
    health: HealthShown | None
    last_used: str | None
    calls_24h: int | None
    errors_24h: int | None
    limits: list[LimitStatus]
    messages: Annotated[MessagesShown | None, Meta(description="Null where nothing waits and nothing is dead.")]


class Observed(NamedTuple):
    """What the runtime's store says, by tenant and uid; ``is_read`` is false where none was read.

    ``limits`` are by tenant and `kind/name`.
    """

    is_read: bool = False
    health: Mapping[Key, Standing] = {}
    uses: Mapping[Key, Use] = {}
    limits: Mapping[tuple[str, str], list[LimitStatus]] = {}
    messages: Mapping[Key, Backlog] = {}


class Decided(NamedTuple):
    """What operators and tests say of resources, by tenant and uid; ``status`` has the freezes."""

    status: Status
    suspended: Mapping[Key, str] = {}
    errors: Mapping[Key, str] = {}


def statuses_of(
    tenant: Tenant, generations: Mapping[str, int], decided: Decided, observed: Observed, now: float
) -> Iterator[ResourceStatus]:
    """Yield the status of each live resource of a tenant, sorted; one whose body nobody can read has no state."""
    for name in sorted(tenant.resources):
        known = tenant.resources[name]
        if known.live is None:
            continue
        key, resource = (tenant.name, known.uid), tenant.resource(name)
        health, use = observed.health.get(key), observed.uses.get(key)
        rule = _rule(tenant, resource, decided, observed, now) if resource is not None else None
        freeze = decided.status.freeze_over(known.address, known.uid)
        body = resource.body if resource is not None else {}
        yield {
            "address": str(known.address),
            "kind": known.address.kind,
            "type": body.get("type") or body.get("provider"),
            "project": known.project,
            "generation": generations.get(known.project or "", 0),
            "drifted": not known.settled,
            "frozen": None if freeze is None else str(freeze),
            "suspended": (decided.suspended.get(key) or "suspended") if known.suspended else None,
            "state": rule and rule.state,
            "because": rule and rule.words,
            "error": decided.errors.get(key),
            "health": None if health is None else _shown(health),
            "last_used": None if use is None else moment_of(use.at),
            "calls_24h": (use.calls if use else 0) if observed.is_read else None,
            "errors_24h": (use.errors if use else 0) if observed.is_read else None,
            "limits": observed.limits.get((tenant.name, name), []),
            "messages": None if key not in observed.messages else _backlog(observed.messages[key]),
        }


def notes_of(one: ResourceStatus) -> list[str]:
    """Return what is not well about a resource, in words."""
    notes = [one["frozen"] or "", f"suspended {one['suspended']}" if one["suspended"] else ""]
    notes.append("drifted" if one["drifted"] else "")
    health = one["health"]
    if health is not None and health["state"] in _UNWELL:
        notes.append(_words(health["state"], health["since"], health["reason"]))
    notes.append(f"in error: {one['error']}" if one["error"] else "")
    notes += [
        f"{limit['used']:,} of {limit['limit']:,} {limit['unit']} used"
        for limit in one["limits"]
        if limit["used"] >= limit["limit"]
    ]
    notes.append(_of_messages(one["messages"]))
    return [note for note in notes if note]


def _of_messages(found: MessagesShown | None) -> str:
    """Return how many messages could not be delivered, in words; "" where none failed."""
    if found is None or not found["last_error"]:
        return ""
    return f"{found['dead']:,} messages dead, {found['waiting']:,} waiting: {found['last_error']}"


def _backlog(found: Backlog) -> MessagesShown:
    oldest = None if found.oldest_seconds is None else round(found.oldest_seconds)
    return {"waiting": found.waiting, "dead": found.dead, "oldest_seconds": oldest, "last_error": found.last_error}


def health_words(standing: Standing) -> str:
    """Return what is not well about health, in words; "" where nothing is."""
    is_unwell = standing.state in _UNWELL
    return _words(standing.state, moment_of(standing.since), standing.reason) if is_unwell else ""


def _words(state: str, since: str, reason: str) -> str:
    return f"{state} since {since}: {reason}"


class Stats(TypedDict):
    """Counts of one kind's resources."""

    total: int
    by_type: dict[str, int]
    by_state: dict[str, int]
    frozen: int
    drifted: int
    calls_24h: int
    errors_24h: int


def stats_of(found: Iterable[ResourceStatus]) -> dict[str, Stats]:
    """Return counts by kind, sorted."""
    counted: dict[str, Stats] = {}
    for one in found:
        empty: Stats = {
            "total": 0, "by_type": {}, "by_state": {}, "frozen": 0, "drifted": 0, "calls_24h": 0, "errors_24h": 0,
        }  # fmt: skip
        stats = counted.setdefault(one["kind"], empty)
        stats["total"] += 1
        for counts, word in ((stats["by_type"], one["type"]), (stats["by_state"], one["state"])):
            if word is not None:
                counts[word] = counts.get(word, 0) + 1
        stats["frozen"] += one["frozen"] is not None
        stats["drifted"] += one["drifted"]
        stats["calls_24h"] += one["calls_24h"] or 0
        stats["errors_24h"] += one["errors_24h"] or 0
    return dict(sorted(counted.items()))


def _rule(tenant: Tenant, resource: Resource, decided: Decided, observed: Observed, now: float) -> StateRule | None:
    key = (tenant.name, resource.known.uid)
    kind, use = resource.known.address.kind, observed.uses.get(key)
    connector = resource.body.get("connector") if kind == "datasource" else None
    behind = tenant.resource(f"connector/{connector}") if connector else None
    rule = _rule(tenant, behind, decided, observed, now) if behind is not None else None
    facts = Facts(
        resource.body,
        resource.known.suspended,
        unserved_by(resource) is None,
        decided.errors.get(key),
        observed.health.get(key),
        None if use is None else use.at,
        rule.state if rule is not None else "",
        now,
    )
    return state_of(kind, facts)


def _shown(one: Standing) -> HealthShown:
    since, checked = moment_of(one.since), moment_of(one.checked)
    return {"state": one.state, "since": since, "checked": checked, "latency_ms": one.latency_ms, "reason": one.reason}


def moment_of(seconds: float) -> str:
    """Return a time of the store as JSON: ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_about(one: ResourceStatus, address: Address | None, kind: str | None) -> bool:
    """Whether a status is what was asked for: one address, or a kind, or everything."""
    return one["address"] == str(address) if address is not None else kind in {None, one["kind"]}
