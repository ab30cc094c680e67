"""What servers of MCP were last seen to define, in the runtime's store: one row a connector, for who asks after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text

from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.writing import now_of, writing_store
from reconciler.store.url import Database

_WRITE = (
    "INSERT INTO mcp_seen (tenant, connector, reached, at, seen) VALUES (:tenant, :connector, :reached, :at, :seen) "
    "ON CONFLICT (tenant, connector) DO UPDATE SET reached = :reached, at = :at, seen = :seen WHERE mcp_seen.at < :at"
)


class SeenRow(NamedTuple):
    """``at`` is Unix time; ``seen`` is for whoever wrote it to read."""

    tenant: str
    connector: str
    reached: str
    at: float
    seen: bytes


def keep_seen(store: Database, rows: Sequence[SeenRow], seconds: float) -> None:
    """Write rows that are newer than those of other servers, and remove what is older than ``seconds``. Raises what the store says."""
    with writing_store(store) as connection:
        # in the order of keys, so that servers never lock each other out
        connection.execute(text(_WRITE), [one._asdict() for one in sorted(rows)])
        connection.execute(text("DELETE FROM mcp_seen WHERE at < :at"), {"at": now_of(connection) - seconds})


def seen_in(store: Database, tenant: str) -> list[SeenRow]:
    """Return the rows of a tenant. Raises what the store says."""
    with opened(store, (tenant,)) as connection:
        sql = "SELECT tenant, connector, reached, at, seen FROM mcp_seen WHERE tenant = :tenant"
        found = connection.execute(text(sql), {"tenant": tenant})
        return [SeenRow(name, connector, reached, at, bytes(seen)) for name, connector, reached, at, seen in found]
