"""A control database, a store and settings turned into the parts of a server, without any way in."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from reconciler.credentials.access_log import AccessLog
from reconciler.errors import ReconcilerError
from reconciler.load.serve_file import TENANT, ServeFile, TenantPermits
from reconciler.model.secret_ref import SecretRef
from reconciler.runtime.call import Failed, Permits, Resolve, Surroundings
from reconciler.runtime.connectors.table import CONNECTORS, JUDGES
from reconciler.runtime.control import control_of
from reconciler.runtime.hashing import NOT_APART, values_key
from reconciler.runtime.ledger import rollup
from reconciler.runtime.ledger.batch import Backend, Space
from reconciler.runtime.ledger.digests import file_hours
from reconciler.runtime.ledger.ledger import GRACE_SECONDS, Ledger
from reconciler.runtime.ledger.postgresql import Postgresql
from reconciler.runtime.ledger.sqlite import Sqlite
from reconciler.runtime.limits import uid_of
from reconciler.runtime.logs import Trouble
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.pools import Pools
from reconciler.runtime.source import Source
from reconciler.runtime.surfaces.operators import Places
from reconciler.runtime.threads import in_thread
from reconciler.secrets.policy import Permitted
from reconciler.secrets.resolve import Resolver, Wanted
from reconciler.store.failures import DatabaseFailed
from reconciler.store.filing import file
from reconciler.store.secrets import Actor
from reconciler.store.url import Database
from reconciler.store.watch import Watch

log = logging.getLogger("reconciler.runtime")
IDLE_LOOK_SECONDS = 15.0
FILING_SECONDS = 5.0
ROLL_UP_SECONDS = 60.0
CLOSE_SECONDS = 2.0
NEVER_DAYS = 36_500


class Plan(NamedTuple):
    """All that a server is made of."""

    settings: ServeFile
    places: Places
    around: Surroundings
    accesses: AccessLog | None = None


class Running(NamedTuple):
    source: Source
    ledger: Ledger
    pools: Pools
    mediator: Mediator
    metrics: Metrics


def backend_of(store: Database) -> Backend:
    if store.path is not None:
        return Sqlite(store.path)
    assert store.url is not None
    return Postgresql(store.url.set(drivername="postgresql").render_as_string(hide_password=False))


def permits_of(settings: ServeFile, folder: Path) -> Permits:
    """Relative folders count from the one of the settings."""
    permits = settings.permits
    tenants = {name: _permits(own, folder) for name, own in permits.tenants.items()}
    return _permits(permits, folder)._replace(tenants=tenants)


def permitted_of(settings: ServeFile) -> Permitted:
    """The variables of this process that references may name."""
    permits = settings.permits
    return Permitted(tuple(permits.env), {name: tuple(own.env) for name, own in permits.tenants.items()})


def _permits(settings: TenantPermits, folder: Path) -> Permits:
    roots = tuple(_real(folder / root) for root in settings.sqlite_roots)
    return Permits(tuple(ip_network(text) for text in settings.networks), roots)


def _real(root: Path) -> Path:
    """Return a folder without links, as far as its path is the operator's: below ``${tenant}`` a tenant may put links."""
    parts = root.parts
    fixed = next((number for number, part in enumerate(parts) if TENANT in part), len(parts))
    return Path(*parts[:fixed]).resolve().joinpath(*parts[fixed:])


@contextlib.asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[Running]:
    """Everything but listeners: what a server and a stdio server have in common."""
    metrics = Metrics()
    alarm = Space(int(plan.settings.alarm.store_gib * 2**30), int(plan.settings.alarm.free_gib * 2**30))
    ledger = Ledger(backend_of(plan.places.store), plan.settings.keep_days * 86400.0, alarm)
    source = Source(Watch(plan.places.control))
    await source.start()
    store_key = await _opened(ledger, plan.places.store)  # from here on the store is there, and can be recognised
    await ledger.count_by_uid(lambda tenant, name: uid_of(source.current().snapshot.tenant(tenant), name))
    control = await in_thread(control_of, plan.places.control, plan.places.store)
    pools = Pools(CONNECTORS, plan.around._replace(control=control), ledger.open.__contains__)
    mediator = Mediator(source, ledger, pools, store_key, metrics, JUDGES)
    mediator.hashing = values_key(store_key, plan.places.audit_key)
    if not mediator.hashing.id:
        log.warning(NOT_APART)
    source.changed = mediator.cancel_frozen
    ledger.start()
    # what is here now stays; what calls leave behind has to go, other than in a command that ends soon
    gc.collect()
    gc.freeze()
    gc.enable()
    trouble = Trouble(log, "accesses to stores of secrets are not in the audit trail yet: %s")
    tasks = [asyncio.create_task(_closing_idle(pools)), asyncio.create_task(_filing(source, plan, trouble))]
    tasks.append(asyncio.create_task(_rolling_up(plan)))
    try:
        yield Running(source, ledger, pools, mediator, metrics)
    finally:
        for task in tasks:
            task.cancel()
        await source.close()
        await ledger.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await pools.close()
                await _write_accesses(plan, trouble, everything=True)


async def _opened(ledger: Ledger, store: Database) -> bytes:
    try:
        if store.path is not None:
            store.path.parent.mkdir(parents=True, exist_ok=True)
        return await ledger.values_key()
    except ReconcilerError:
        raise
    except Exception as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DatabaseFailed(
            f"{store.display} can't be used as the runtime's store: {why}",
            code="store-unusable",
            hint="name another by --store or RECONCILER_RUNTIME_URL; without evidence there is no access",
        ) from None


async def prepare(store: Database, keep_days: int | None) -> int:
    """A store that has all it needs, with nothing older than ``keep_days`` in it; returns how many calls are ``unknown`` now.

    Raises DatabaseFailed.
    """
    ledger = Ledger(backend := backend_of(store), 0.0)
    await _opened(ledger, store)
    try:
        unknown = await backend.sweep(GRACE_SECONDS, NEVER_DAYS * 86400.0)
        if keep_days is not None:
            while await in_thread(rollup.roll_up, store):
                pass  # what is removed was counted
            await backend.sweep(GRACE_SECONDS, keep_days * 86400.0)
        return unknown
    finally:
        await backend.close()


async def _closing_idle(pools: Pools) -> None:
    while True:
        await asyncio.sleep(IDLE_LOOK_SECONDS)
        await pools.close_idle()


async def _filing(source: Source, plan: Plan, trouble: Trouble) -> None:
    """Put into the audit trail what no command could file, since an apply held it, and accesses to stores of secrets."""
    while True:
        await asyncio.sleep(FILING_SECONDS)
        if source.pending:
            with contextlib.suppress(Exception):  # where the role may not write, a command has to
                await in_thread(file, plan.places.control, Actor("serve", plan.places.audit_key))
        await _write_accesses(plan, trouble)


async def _write_accesses(plan: Plan, trouble: Trouble, everything: bool = False) -> None:
    """What can't be written is reported, and counted on."""
    try:
        if plan.accesses is not None:
            await in_thread(plan.accesses.write, everything)
        trouble.ends()
    except Exception as error:
        trouble.occurs(type(error).__name__)


async def _rolling_up(plan: Plan) -> None:
    """Count what is closed, and file it. A role that may not read evidence leaves that to `reconciler evidence rollup`."""
    trouble = Trouble(log, "evidence was not rolled up: %s")
    while True:
        await asyncio.sleep(ROLL_UP_SECONDS)
        try:
            await in_thread(_roll_up, plan)
            trouble.ends()
        except Exception as error:
            trouble.occurs(type(error).__name__)


def _roll_up(plan: Plan) -> None:
    store = plan.places.store
    if not rollup.may_roll_up(store):
        return
    if rollup.roll_up(store):
        rollup.forget(store, plan.settings.keep_aggregates_days)
    file_hours(store, plan.places.control, Actor("serve", plan.places.audit_key))


def resolving(resolver: Resolver) -> tuple[Resolve, Resolve]:
    """A resolver that blocks, in threads: as it is kept, and anew. Nothing of why it failed goes further than its code."""

    async def resolved(tenant: str, reference: str) -> str:
        try:
            secret = await in_thread(resolver.resolve, tenant, reference)
        except ReconcilerError:
            raise Failed("credential-unresolved", "a credential could not be had") from None
        return secret.reveal()

    async def anew(tenant: str, reference: str) -> str:
        resolver.forget(Wanted(tenant, SecretRef.parse(reference)))
        return await resolved(tenant, reference)

    return resolved, anew
