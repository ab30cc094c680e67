"""Tries that were billed more than they had reserved: listed, and acknowledged, so that their integrations are used again."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import Connection, text

from reconciler.model.price import PICO
from reconciler.runtime.ledger.reading import moment, opened
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

MOST = 200
_COLUMNS = "call, tenant, integration, model, at, tokens, tokens_held, cost, cost_held, acknowledged, acknowledged_by"
_OPEN = f"SELECT {_COLUMNS} FROM overshoots WHERE acknowledged IS NULL{{tenants}} ORDER BY at DESC LIMIT {MOST}"
_ACKNOWLEDGE = (
    "UPDATE overshoots SET acknowledged = :now, acknowledged_by = :by WHERE tenant = :tenant AND integration = :integration "
    "AND acknowledged IS NULL"
)


class Overshoot(TypedDict):
    """A try that was billed more than it had reserved, and that nobody has acknowledged yet."""

    evidence_id: str
    tenant: str
    integration: str
    model: str
    at: str
    tokens: int
    tokens_reserved: int
    cost_usd: float
    cost_reserved_usd: float


def overshoots(store: Database, tenants: tuple[str, ...] = ()) -> list[Overshoot]:
    """Return what nobody has acknowledged, the newest first, of these tenants or of all. Raises what a reader may see."""
    with opened(store, tenants) as connection:
        return overshoots_in(connection, tenants)


def overshoots_in(connection: Connection, tenants: tuple[str, ...] = ()) -> list[Overshoot]:
    """Return the same of a store that is open."""
    names = {f"t{number}": tenant for number, tenant in enumerate(tenants)}
    within = f" AND tenant IN ({', '.join(f':{name}' for name in names)})" if names else ""
    return [_document(row._asdict()) for row in connection.execute(text(_OPEN.format(tenants=within)), names)]


def acknowledge(store: Database, tenant: str, integration: str, by: str) -> int:
    """Let an integration, `integration/NAME`, be used under limits again; return how many tries were acknowledged.

    Raises what the store says.
    """
    with writing_store(store) as connection:
        given = {"now": now_of(connection), "by": by, "tenant": tenant, "integration": integration}
        return int(connection.execute(text(_ACKNOWLEDGE), given).rowcount)


def _document(row: dict[str, Any]) -> Overshoot:
    return {
        "evidence_id": row["call"],
        "tenant": row["tenant"],
        "integration": row["integration"],
        "model": row["model"],
        "at": moment(row["at"]),
        "tokens": int(row["tokens"]),
        "tokens_reserved": int(row["tokens_held"]),
        "cost_usd": row["cost"] / PICO,
        "cost_reserved_usd": row["cost_held"] / PICO,
    }
