"""The sweep: whoever holds the lease checks what was used or is not well, and writes what the checks add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple

from reconciler.access.resource import Resource
from reconciler.access.snapshot import Snapshot
from reconciler.model.address import Address
from reconciler.model.health import Check, Standing
from reconciler.model.notification import Destination
from reconciler.runtime.checks import CHECKED
from reconciler.runtime.ledger.health_rows import LEASE, health_in, record
from reconciler.runtime.ledger.leases import hold
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.use_counts import Key, used_since
from reconciler.runtime.ledger.writing import now_of
from reconciler.runtime.threads import in_thread
from reconciler.store.url import Database

LEASE_SECONDS = 30.0
USED_SECONDS = 3600.0
MINUTE, EVERY_MINUTES = 60.0, 1
AT_ONCE = 16

Checker = Callable[[str, Resource], Awaitable[Check | None]]
"""From a tenant and a resource to one check; None where there is nobody to ask."""


class Known(NamedTuple):
    """What the store knew at ``now``."""

    now: float
    used: frozenset[Key]
    standings: Mapping[Key, Standing]


def due_of(snapshot: Snapshot, known: Known) -> Iterator[tuple[str, Resource]]:
    """Yield what is to be checked: used within the last hour or not well, and not checked for its `health` minutes.

    What an operator suspended is left alone.
    """
    unwell = {key for key, one in known.standings.items() if not one.is_well}
    wanted = known.used | unwell
    for name in sorted({tenant for tenant, _ in wanted}):
        tenant = snapshot.tenant(name)
        for kind in sorted(CHECKED):
            for resource in filter(None, map(tenant.resource, tenant.names(kind))):
                key = (name, resource.known.uid)
                if key in wanted and not resource.known.suspended and _is_due(resource, known, key):
                    yield name, resource


def _is_due(resource: Resource, known: Known, key: Key) -> bool:
    minutes, standing = resource.body.get("health") or EVERY_MINUTES, known.standings.get(key)
    if minutes == "off":
        return False
    return standing is None or known.now - standing.checked >= minutes * MINUTE


class Sweep:
    """``holder`` names this process among those of the store."""

    def __init__(self, store: Database, holder: str, check: Checker, destinations: tuple[Destination, ...]) -> None:
        self._store, self._holder, self._check, self._destinations = store, holder, check, destinations

    async def once(self, snapshot: Snapshot) -> int | None:
        """Take or renew the lease, and check what is due; return how many were checked, None where another holds the lease.

        Raises LeaseLost where another has taken it meanwhile, and then nothing was written; and what the store says.
        """
        number = await in_thread(hold, self._store, LEASE, self._holder, LEASE_SECONDS)
        if number is None:
            return None
        due = [*due_of(snapshot, await in_thread(self._known))]
        slots = asyncio.Semaphore(AT_ONCE)

        async def bounded(tenant: str, resource: Resource) -> Check | None:
            async with slots:
                return await self._check(tenant, resource)

        found = await asyncio.gather(*(bounded(*one) for one in due))
        checks: dict[tuple[Address, str], Check] = {
            (resource.known.address, resource.known.uid): check
            for (_, resource), check in zip(due, found, strict=True)
            if check is not None
        }
        if checks:
            await in_thread(record, self._store, number, checks, self._destinations)
        return len(checks)

    def _known(self) -> Known:
        with opened(self._store) as connection:
            used = frozenset(used_since(connection, USED_SECONDS))
            return Known(now_of(connection), used, health_in(connection))
