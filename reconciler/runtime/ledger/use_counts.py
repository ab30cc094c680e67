"""Uses of resources in the runtime's store: when each was used last, and calls and errors by the hour. Statistics, no evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler.runtime.ledger.hours import HOUR
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

HOURS_SHOWN, HOURS_KEPT = 24, 48
Key = tuple[str, str]
"""Tenant and uid."""
_USE = (
    "INSERT INTO uses (tenant, uid, at) VALUES (:tenant, :uid, :now) ON CONFLICT (tenant, uid) DO UPDATE SET at = :now "
    "WHERE uses.at < :now"
)
_COUNT = (
    "INSERT INTO use_hours (tenant, uid, hour, calls, errors) VALUES (:tenant, :uid, :hour, :calls, :errors) "
    "ON CONFLICT (tenant, uid, hour) DO UPDATE SET calls = use_hours.calls + excluded.calls, "
    "errors = use_hours.errors + excluded.errors"
)
_SHOWN = (
    "SELECT u.tenant, u.uid, u.at, COALESCE(sum(h.calls), 0) AS calls, COALESCE(sum(h.errors), 0) AS errors FROM uses u "
    "LEFT JOIN use_hours h ON (h.tenant, h.uid) = (u.tenant, u.uid) AND h.hour > :hour {where} GROUP BY u.tenant, u.uid, u.at"
)


class Counts(NamedTuple):
    """Calls that were admitted, and how many of them failed, timed out or have an unknown outcome."""

    calls: int
    errors: int


class Use(NamedTuple):
    """``at`` is when it was used last, in seconds since 1970; the counts are of the last 24 hours, the current one included."""

    at: float
    calls: int
    errors: int


def add(store: Database, counts: Mapping[Key, Counts]) -> None:
    """Add what a server has counted. Raises what the store says."""
    with writing_store(store) as connection:
        now = now_of(connection)
        hour = int(now // HOUR)
        rows = [
            {"tenant": tenant, "uid": uid, "now": now, "hour": hour, **one._asdict()}
            for (tenant, uid), one in sorted(
                counts.items()
            )  # in the order of keys, so that servers never lock each other out
        ]
        connection.execute(text(_USE), rows)
        connection.execute(text(_COUNT), rows)


def forget(store: Database) -> None:
    """Remove hours that nobody is shown. Raises what the store says."""
    with writing_store(store) as connection:
        hour = int(now_of(connection) // HOUR) - HOURS_KEPT
        connection.execute(text("DELETE FROM use_hours WHERE hour < :hour"), {"hour": hour})


def uses_of(store: Database, tenants: Iterable[str] = ()) -> dict[Key, Use]:
    """Return uses by tenant and uid, of these tenants or of all. Raises what a reader may see."""
    with opened(store, wanted := (*tenants,)) as connection:
        hour = int(now_of(connection) // HOUR) - HOURS_SHOWN
        where, values = ("WHERE u.tenant = :tenant", {"tenant": wanted[0]}) if len(wanted) == 1 else ("", {})
        found = connection.execute(text(_SHOWN.format(where=where)), {"hour": hour, **values})
        return {
            (tenant, uid): Use(at, int(calls), int(errors))
            for tenant, uid, at, calls, errors in found
            if not wanted or tenant in wanted
        }


def used_since(connection: Connection, seconds: float) -> Set[Key]:
    """Return what was used within the last ``seconds``."""
    found = connection.execute(
        text("SELECT tenant, uid FROM uses WHERE at > :at"), {"at": now_of(connection) - seconds}
    )
    return {(tenant, uid) for tenant, uid in found}
