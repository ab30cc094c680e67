"""One cheap check of an integration or a connector: the probe of a provider or an API, `SELECT 1`, `tools/list`."""

from __future__ import annotations

import asyncio
import time

from reconciler.access.resource import Resource
from reconciler.access.target import unserved_by
from reconciler.kinds.lifecycle import switched_off
from reconciler.model.health import DEGRADED_MS, FAILING, REFUSED, Check, by_latency
from reconciler.model.target import is_per_user
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.mcp.processes import PROCESSES
from reconciler.runtime.pools import Pools

CHECKED = frozenset({"integration", "connector"})
"""Kinds that can be checked."""


async def check_of(tenant: str, resource: Resource, pools: Pools, starts: bool = False) -> Check | None:
    """Check one resource, within 5 seconds; None where nothing can be asked, or there is nobody to ask.

    ``starts``: a program that does not run is started for it.
    """
    kind, body = resource.known.address.kind, resource.body
    if kind not in CHECKED or switched_off(body) or (kind == "connector" and unserved_by(resource) is not None):
        return None
    if is_per_user(body):
        return None  # there is no user here whose token could be exchanged, and to ask without one proves nothing
    begun = time.monotonic()
    try:
        async with asyncio.timeout(DEGRADED_MS / 1000):
            if kind == "integration" or body["type"] == "http":
                from reconciler.runtime.connectors.probe import check_http  # an extra, which not every command needs

                return await check_http(tenant, resource, pools.around(tenant))
            if body["type"] == "notification":
                from reconciler.runtime.connectors.message import is_askable

                if not is_askable(body):
                    return None
            if not await pools.ping(tenant, resource, starts):
                return None
    except TimeoutError:
        return Check(FAILING, None, f"no answer within {DEGRADED_MS} ms")
    except Failed as error:
        return _of_failure(error)
    return by_latency(round((time.monotonic() - begun) * 1000))


def _of_failure(error: Failed) -> Check:
    """Return what a refusal or failure of ours says of the other side."""
    if error.code == "upstream-limited":
        return Check("degraded", None, str(error))
    return Check(FAILING, None, REFUSED if error.code == "credential-refused" else str(error))


async def check_alone(resource: Resource, around: Surroundings) -> Check | None:
    """Check one resource outside of a server: every way is closed, and every program ended, at the end."""
    pools = Pools(CONNECTORS, around, lambda _evidence_id: False)
    try:
        return await check_of(resource.known.address.tenant, resource, pools, starts=True)
    finally:
        await pools.close()
        await PROCESSES.end_all()
