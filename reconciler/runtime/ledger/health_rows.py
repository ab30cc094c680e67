"""Health in the runtime's store: standings by tenant and uid, changed under a lease and together with their events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from reconciler.model.address import Address
from reconciler.model.health import FAILING, UNKNOWN, Check, Standing, after
from reconciler.model.notification import HEALTH, Destination, RuntimeEvent
from reconciler.runtime.ledger.leases import require_held
from reconciler.runtime.ledger.letters import enqueue
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.use_counts import Key
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

LEASE = "health"
_COLUMNS = "state, since, checked, worse, latency_ms, reason"
_PUT = (
    f"INSERT INTO health (tenant, uid, {_COLUMNS}) VALUES (:tenant, :uid, :state, :since, :checked, :worse, :latency_ms, :reason) "
    "ON CONFLICT (tenant, uid) DO UPDATE SET state = excluded.state, since = excluded.since, checked = excluded.checked, "
    "worse = excluded.worse, latency_ms = excluded.latency_ms, reason = excluded.reason"
)


def health_of(store: Database, tenants: Iterable[str] = ()) -> dict[Key, Standing]:
    """Return standings by tenant and uid, of these tenants or of all. Raises what a reader may see."""
    with opened(store, wanted := (*tenants,)) as connection:
        return {key: one for key, one in health_in(connection).items() if not wanted or key[0] in wanted}


def health_in(connection: Connection) -> Mapping[Key, Standing]:
    """Return every standing that this role may see."""
    found = connection.execute(text(f"SELECT tenant, uid, {_COLUMNS} FROM health"))
    return {(tenant, uid): Standing(*rest) for tenant, uid, *rest in found}


def failing_of(store: Database) -> frozenset[Key]:
    """Return what is failing, by tenant and uid. Raises what the store says."""
    with opened(store) as connection:
        found = connection.execute(text("SELECT tenant, uid FROM health WHERE state = :state"), {"state": FAILING})
        return frozenset((tenant, uid) for tenant, uid in found)


def record(
    store: Database,
    number: int,
    checks: Mapping[tuple[Address, str], Check],
    destinations: tuple[Destination, ...],
) -> None:
    """Add checks, by address and uid, to what is known, and tell of states that turned: all of it in one transaction.

    ``number`` is that of the lease. Raises LeaseLost where another server has it by now, and what the store says.
    """
    with writing_store(store) as connection:
        require_held(connection, LEASE, number)
        known, now = health_in(connection), now_of(connection)
        for (address, uid), check in checks.items():
            before = known.get((address.tenant, uid))
            standing = after(before, check, now)
            values = {"tenant": address.tenant, "uid": uid, **standing._asdict()}
            connection.execute(text(_PUT), values)
            was = before.state if before is not None else UNKNOWN
            if standing.state != was and (was != UNKNOWN or standing.state == FAILING):
                enqueue(connection, destinations, event_of(address, uid, was, standing))


def event_of(address: Address, uid: str, was: str, standing: Standing) -> RuntimeEvent:
    """Return the event of a state that turned; the same turn has the same id."""
    at = datetime.fromtimestamp(standing.since, UTC).isoformat(timespec="seconds")
    summary = f"{address} is {standing.state}, and was {was}: {standing.reason}"
    data = {"address": str(address), "uid": uid, "state": standing.state, "was": was, "reason": standing.reason}
    identity = f"health-{uid}-{standing.since:.3f}-{standing.state}"
    return RuntimeEvent(identity, HEALTH, at, address.tenant, summary, data)
