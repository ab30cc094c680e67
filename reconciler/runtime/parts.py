"""The composition root: a setup assembled into source, ledger, pools and mediator, without listeners.

`serve`, `serve --stdio` and `evidence prepare` build what they need here. The clients of databases are
imported when a store of their kind is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from reconciler.access.judge import asks_approvals
from reconciler.errors import ReconcilerError
from reconciler.load.notifications import destinations_of
from reconciler.load.price_settings import PriceSettings
from reconciler.runtime.approvals import Approvals
from reconciler.runtime.call import EmbeddedText
from reconciler.runtime.connectors.table import CONNECTORS, JUDGES
from reconciler.runtime.extras import not_installed
from reconciler.runtime.hashing import NOT_APART, values_key
from reconciler.runtime.inside import Outer
from reconciler.runtime.ledger import rollup
from reconciler.runtime.ledger.batch import Backend, Space
from reconciler.runtime.ledger.ledger import GRACE_SECONDS, Ledger
from reconciler.runtime.limits import uid_of
from reconciler.runtime.mcp.processes import PROCESSES
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.messages import Messages
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.outbox import Outbox
from reconciler.runtime.pools import Pools
from reconciler.runtime.reported import Usages
from reconciler.runtime.setup import Setup
from reconciler.runtime.source import Source
from reconciler.runtime.threads import in_thread
from reconciler.runtime.tracing import Tracer
from reconciler.runtime.tracing_settings import started
from reconciler.runtime.workers import WORKERS, Accesses, Tools
from reconciler.store.failures import DatabaseFailed
from reconciler.store.marks import control_of
from reconciler.store.url import Database
from reconciler.store.watch import Watch

if TYPE_CHECKING:
    from reconciler.runtime.llm.calls import ModelCalls
    from reconciler.runtime.tracing_otel import Otel

log = logging.getLogger("reconciler.runtime")
CLOSE_SECONDS = 2.0
YOUNG = 10_000
"""So many objects more than before are looked through for cycles: what calls need ends without that, and 700 come every few calls."""
NO_KEY = (
    "no key seals the values of calls that wait for an approval, so such calls are denied (no-key); RECONCILER_KEY_FILE or "
    "RECONCILER_TRANSIT_KEY names one"
)
NEVER_DAYS = 36_500


class Parts(NamedTuple):
    """What every surface works with."""

    source: Source
    ledger: Ledger
    pools: Pools
    mediator: Mediator
    metrics: Metrics
    outbox: Outbox
    models: Callable[[], ModelCalls]
    """The calls of models, made when somebody asks: what they import takes time."""
    tracer: Tracer | None = None
    """What begins spans; None where no telemetry is exported."""


def _models(mediator: Mediator, prices: PriceSettings) -> Callable[[], ModelCalls]:
    """Return what makes the calls of models, the same each time."""

    @cache
    def made() -> ModelCalls:
        from reconciler.runtime.llm.calls import ModelCalls
        from reconciler.runtime.llm.prices import PriceBook

        return ModelCalls(mediator, PriceBook(prices))

    return made


class _Embeddings:
    """The embeddings inside of calls, imported by the first one."""

    def __init__(self, models: Callable[[], ModelCalls]) -> None:
        self._models = models

    async def vector(self, outer: Outer, wanted: EmbeddedText, deadline: float) -> Sequence[float]:
        from reconciler.runtime.llm.embedding import ModelEmbeddings

        return await ModelEmbeddings(self._models()).vector(outer, wanted, deadline)


def backend_of(store: Database) -> Backend:
    """Return the backend of a store. Raises ReconcilerError (``not-installed``) without the client of its database."""
    if store.path is not None:
        from reconciler.runtime.ledger.sqlite import Sqlite

        return Sqlite(store.path)
    assert store.url is not None
    try:
        from reconciler.runtime.ledger.postgresql import Postgresql
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    return Postgresql(store.url.set(drivername="postgresql").render_as_string(hide_password=False))


@contextlib.asynccontextmanager
async def assembled(setup: Setup) -> AsyncIterator[Parts]:
    """Yield the parts of a server, with its workers running; close them at the end. Raises DatabaseFailed."""
    metrics, databases = Metrics(), setup.databases
    alarm = Space(int(setup.settings.alarm.store_gib * 2**30), int(setup.settings.alarm.free_gib * 2**30))
    ledger = Ledger(backend_of(databases.store), setup.settings.keep_days * 86400.0, alarm)
    source = Source(Watch(databases.control))
    await source.start()
    store_key = await _opened(ledger, databases.store)  # from here on the store is there, and can be recognised
    await ledger.count_by_uid(lambda tenant, name: uid_of(source.current().snapshot.tenant(tenant), name))
    control = await in_thread(control_of, databases.control, databases.store)
    messages = Messages(databases.store, setup.ring, values_key(store_key, setup.audit_key))
    around = setup.around._replace(control=control, messages=messages)
    pools = Pools(CONNECTORS, around, ledger.open.__contains__)
    mediator = Mediator(source, ledger, pools, store_key, metrics, JUDGES)
    mediator.hashing = values_key(store_key, setup.audit_key)
    if not mediator.hashing.id:
        log.warning(NOT_APART)
    models = _models(mediator, setup.settings.prices)
    mediator.embeddings = _Embeddings(models)
    mediator.usages = Usages(ledger, databases.evidence)
    outbox = Outbox(databases.store, destinations_of(setup.settings.notifications))
    if setup.ring is not None:
        mediator.approvals = Approvals(databases.store, setup.ring, outbox.destinations)
    elif any(asks_approvals(tenant) for tenant in source.current().snapshot.tenants.values()):
        log.warning(NO_KEY)
    source.changed = mediator.cancel_frozen
    ledger.start()
    telemetry = started(os.environ)
    if telemetry is not None:
        from reconciler.runtime.exposition import families, gauges_of  # its library takes time, and no call needs it

        telemetry.watch(lambda: families(metrics, gauges_of(ledger, source, mediator.breakers)))
    # what is here now stays; what calls leave behind has to go, other than in a command that ends soon
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
    gc.enable()
    accesses = Accesses(setup)
    kept = (mediator.uses, mediator.breakers, mediator.incidents, mediator.standings)
    tools = Tools(setup, source, pools, accesses, outbox, *kept, messages)
    tasks = [asyncio.create_task(worker(tools)) for worker in WORKERS]
    try:
        yield Parts(source, ledger, pools, mediator, metrics, outbox, models, telemetry)
    finally:
        for task in tasks:
            task.cancel()
        await source.close()
        await ledger.close()
        exporting = asyncio.create_task(_exported(telemetry))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await pools.close()
                await accesses.write(everything=True)
                await exporting
        exporting.cancel()
        await PROCESSES.end_all()


async def _exported(telemetry: Otel | None) -> None:
    if telemetry is not None:
        await in_thread(telemetry.close, CLOSE_SECONDS)


async def _opened(ledger: Ledger, store: Database) -> bytes:
    """Make the store ready, and return the key that it hashes values with. Raises DatabaseFailed."""
    try:
        store.make_folder()
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
    """Make the tables and partitions of a store, remove what is older than ``keep_days``, and sweep calls without an outcome.

    Returns how many of these calls read ``unknown`` from now on. Raises DatabaseFailed, and ReconcilerError
    (``not-installed``) without the client of its database.
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
