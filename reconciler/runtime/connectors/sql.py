"""Connectors of type `sql` turned into the gateway of their dialect."""

from __future__ import annotations

from reconciler.access.resource import Resource
from reconciler.runtime.call import Connection, Failed, Surroundings


async def open_sql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Raises Failed for a dialect that is none of ours yet."""
    dialect = connector.body["dialect"]
    if dialect == "sqlite":
        from reconciler.runtime.connectors.sqlite import open_sqlite

        return await open_sqlite(tenant, connector, around)
    if dialect == "postgresql":
        from reconciler.runtime.connectors.postgresql import open_postgresql

        return await open_postgresql(tenant, connector, around)
    raise Failed("not-supported", f"databases of the dialect {dialect} can't be used yet", "blocked")
