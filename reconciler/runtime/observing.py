"""The runtime's store and the database of the configuration, read for the status of resources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from reconciler.access.snapshot import Snapshot
from reconciler.model.status import Status
from reconciler.runtime.ledger.deliveries import backlogs_of
from reconciler.runtime.ledger.health_rows import health_of
from reconciler.runtime.ledger.reading import used
from reconciler.runtime.ledger.use_counts import uses_of
from reconciler.runtime.limits import LimitStatus, counters_of, declared, status_of
from reconciler.runtime.status import Decided, Observed
from reconciler.store.suspensions import read_noted
from reconciler.store.url import Database


def observed_of(store: Database, tenants: Sequence[str], limits: Iterable[tuple[str, LimitStatus]]) -> Observed:
    """Return what the runtime's store says of tenants (of all where none is named), with their ``limits`` beside it.

    Raises what a reader may see.
    """
    by_target: defaultdict[tuple[str, str], list[LimitStatus]] = defaultdict(list)
    for tenant, one in limits:
        by_target[tenant, one["target"]].append(one)
    health, uses = health_of(store, tenants), uses_of(store, tenants)
    return Observed(True, health, uses, by_target, backlogs_of(store, tenants))


def limits_of(store: Database, snapshot: Snapshot, now: float) -> list[tuple[str, LimitStatus]]:
    """Return the limits of all tenants of a snapshot. Raises what a reader may see."""
    found = []
    for name, tenant in sorted(snapshot.tenants.items()):
        levels = declared(tenant)
        counts = used(store, name, counters_of(levels), now) if levels else []
        found += [(name, one) for one in status_of(levels, counts)]
    return found


def decided_of(control: Database, status: Status) -> Decided:
    """Return what operators decided. Raises what the database says."""
    return Decided(status, *read_noted(control))
