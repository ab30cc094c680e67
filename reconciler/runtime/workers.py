"""What a server does in the background: one coroutine a worker, each in the table ``WORKERS``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from reconciler.access.resource import Resource
from reconciler.model.audit import Actor
from reconciler.model.health import FAILING, Check
from reconciler.runtime.breakers import Breakers, Key
from reconciler.runtime.checks import check_of
from reconciler.runtime.delivering import Deliverer
from reconciler.runtime.health import Sweep
from reconciler.runtime.incidents import Incidents
from reconciler.runtime.ledger import limit_marks, rollup, use_counts
from reconciler.runtime.ledger.decisions import file_decisions
from reconciler.runtime.ledger.digests import file_hours
from reconciler.runtime.ledger.health_rows import failing_of
from reconciler.runtime.limits import declared
from reconciler.runtime.logs import Trouble
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.messages import Messages
from reconciler.runtime.outbox import Outbox
from reconciler.runtime.pools import Pools
from reconciler.runtime.setup import Setup
from reconciler.runtime.source import Source
from reconciler.runtime.standings import Standings
from reconciler.runtime.threads import in_thread
from reconciler.runtime.uses import Uses
from reconciler.store.filing import file

log = logging.getLogger("reconciler.runtime")
IDLE_LOOK_SECONDS = 15.0
FILING_SECONDS = 5.0
ROLL_UP_SECONDS = 60.0
DELIVERY_SECONDS = 1.0
DROP_SECONDS = 3600.0
MESSAGES_SECONDS, QUIET_SECONDS = 1.0, 5.0
"""Between two looks for messages that are due: while there are some, or this server has accepted one lately; and else."""
LATELY_SECONDS = 120.0
COUNT_SECONDS = 5.0
LIMITS_SECONDS = 5.0
FORGET_SECONDS = 3600.0
SWEEP_SECONDS = 5.0
TRY_SECONDS = 1.0
SEEN_SECONDS = 5.0


class Accesses:
    """The accesses to stores of secrets that wait to be written into the audit trail."""

    def __init__(self, setup: Setup) -> None:
        self._log = setup.accesses
        self._trouble = Trouble(log, "accesses to stores of secrets are not in the audit trail yet: %s")

    async def write(self, everything: bool = False) -> None:
        """Write what waits. A failure is logged, and what waits stays for the next time."""
        with self._trouble.watching():
            if self._log is not None:
                await in_thread(self._log.write, everything)


class Tools(NamedTuple):
    """What workers work with."""

    setup: Setup
    source: Source
    pools: Pools
    accesses: Accesses
    outbox: Outbox
    uses: Uses
    breakers: Breakers
    incidents: Incidents
    standings: Standings
    messages: Messages


async def close_idle(tools: Tools) -> None:
    """Close connections that no call has used for a while."""
    while True:
        await asyncio.sleep(IDLE_LOOK_SECONDS)
        await tools.pools.close_idle()


async def file_pending(tools: Tools) -> None:
    """Write two things into the audit trail: accesses to stores of secrets, and pending freezes and revocations.

    Those are pending while an apply holds the trail.
    """
    setup = tools.setup
    while True:
        await asyncio.sleep(FILING_SECONDS)
        if tools.source.pending:
            with contextlib.suppress(Exception):  # where the role may not write, a command has to
                await in_thread(file, setup.databases.control, Actor("serve", setup.audit_key))
        await tools.accesses.write()


async def file_approvals(tools: Tools) -> None:
    """Write decisions on approvals into the audit trail that are not there yet, since an apply held it."""
    trouble, databases = (
        Trouble(log, "decisions on approvals are not in the audit trail yet: %s"),
        tools.setup.databases,
    )
    while True:
        await asyncio.sleep(FILING_SECONDS)
        with trouble.watching():
            await in_thread(file_decisions, databases.store, databases.control, tools.setup.audit_key)


async def roll_up_hours(tools: Tools) -> None:
    """Count closed hours of evidence, and write their digests into the audit trail.

    A role that may not read evidence leaves that to `reconciler evidence rollup`.
    """
    trouble = Trouble(log, "evidence was not rolled up: %s")
    while True:
        await asyncio.sleep(ROLL_UP_SECONDS)
        with trouble.watching():
            await in_thread(_roll_up, tools.setup)


def _roll_up(setup: Setup) -> None:
    store = setup.databases.store
    if not rollup.may_roll_up(store):
        return
    if rollup.roll_up(store):
        rollup.forget(store, setup.settings.keep_aggregates_days)
    file_hours(store, setup.databases.control, Actor("serve", setup.audit_key))


async def deliver_events(tools: Tools) -> None:
    """Send the runtime's events to the destinations of serve.yaml."""
    trouble, dropped = Trouble(log, "events were not delivered: %s"), time.monotonic()
    while tools.outbox.destinations:
        await asyncio.sleep(DELIVERY_SECONDS)
        try:
            for event in tools.incidents.take():
                await tools.outbox.emit(event)
            reasons = await tools.outbox.deliver()
            if time.monotonic() - dropped > DROP_SECONDS:
                reasons += await tools.outbox.drop_old()
                dropped = time.monotonic()
        except Exception as error:
            reasons = [type(error).__name__]
        trouble.reported(reasons)


async def deliver_messages(tools: Tools) -> None:
    """Send messages that calls left in the outbox; any server sends what any accepted."""
    trouble, messages = Trouble(log, "messages were not delivered: %s"), tools.messages
    deliverer = Deliverer(messages, tools.source, tools.pools.around)
    accepted, busy, dropped = 0, -LATELY_SECONDS, time.monotonic()
    while True:
        await asyncio.sleep(MESSAGES_SECONDS)
        now = time.monotonic()
        if accepted == messages.accepted and now - busy > LATELY_SECONDS:
            await asyncio.sleep(QUIET_SECONDS - MESSAGES_SECONDS)
        try:
            count, reasons = await deliverer.once()
            if count or accepted != messages.accepted:
                accepted, busy = messages.accepted, now
            if now - dropped > DROP_SECONDS:
                dropped = now
                await messages.drop_old()
        except Exception as error:
            reasons = [type(error).__name__]
        trouble.reported(reasons)


async def count_uses(tools: Tools) -> None:
    """Add what calls used to the store's statistics; what a server that is killed had counted since is lost."""
    trouble, forgot, store = Trouble(log, "uses were not counted: %s"), -FORGET_SECONDS, tools.setup.databases.store
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        counts = tools.uses.take()
        try:
            if counts:
                await in_thread(use_counts.add, store, counts)
            if time.monotonic() - forgot > FORGET_SECONDS:
                forgot = time.monotonic()
                await in_thread(use_counts.forget, store)
            trouble.ends()
        except Exception as error:
            tools.uses.put_back(counts)
            trouble.occurs(type(error).__name__)


async def tell_of_limits(tools: Tools) -> None:
    """Keep events of limits that are nearly used up, and of what was billed too much."""
    trouble, store = Trouble(log, "limits were not looked at: %s"), tools.setup.databases.store
    while tools.outbox.destinations:
        await asyncio.sleep(LIMITS_SECONDS)
        with trouble.watching():
            snapshot = tools.source.current().snapshot
            levels = [level for tenant in snapshot.tenants.values() for level in declared(tenant)]
            await in_thread(limit_marks.tell, store, levels, tools.outbox.destinations)


async def keep_seen(tools: Tools) -> None:
    """Keep in the store what MCP servers were seen to define, so that it can be read after a restart."""
    trouble = Trouble(log, "what MCP servers define was not kept: %s")
    servers = Servers(tools.source, tools.pools, tools.setup.databases.store)
    while True:
        await asyncio.sleep(SEEN_SECONDS)
        with trouble.watching():
            await servers.keep()


async def sweep_health(tools: Tools) -> None:
    """Check what was used or is not well, while this server holds the lease."""
    trouble, store = Trouble(log, "health was not swept: %s"), tools.setup.databases.store
    check = partial(_check, tools)
    sweep = Sweep(
        store, f"{os.uname().nodename} {os.getpid()} {secrets.token_hex(4)}", check, tools.outbox.destinations
    )
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        with trouble.watching():
            await sweep.once(tools.source.current().snapshot)


async def read_standings(tools: Tools) -> None:
    """Read what the sweep found to fail, whichever server made it."""
    trouble, store = Trouble(log, "health was not read: %s"), tools.setup.databases.store
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        with trouble.watching():
            tools.standings.take(await in_thread(failing_of, store))


async def try_breakers(tools: Tools) -> None:
    """Try open breakers by checks of this server's own: no agent's call is an experiment."""
    breakers = tools.breakers
    while True:
        await asyncio.sleep(TRY_SECONDS)
        await asyncio.gather(*(_try(tools, breakers, *one) for one in breakers.due()))


async def _try(tools: Tools, breakers: Breakers, key: Key, connector: Resource) -> None:
    check = await _check(tools, key[0], connector, starts=True)
    breakers.tried(key, check is None or check.state != FAILING)


async def _check(tools: Tools, tenant: str, resource: Resource, starts: bool = False) -> Check | None:
    try:
        return await check_of(tenant, resource, tools.pools, starts)
    except Exception as error:  # a defect in one check is no reason to leave out the others
        log.error("%s could not be checked: %s", resource.known.address, type(error).__name__)
        return None


WORKERS: tuple[Callable[[Tools], Coroutine[Any, Any, None]], ...] = (
    close_idle,
    file_pending,
    file_approvals,
    roll_up_hours,
    deliver_events,
    deliver_messages,
    count_uses,
    tell_of_limits,
    keep_seen,
    sweep_health,
    read_standings,
    try_breakers,
)
"""Started by ``parts.assembled`` and cancelled at its end."""
