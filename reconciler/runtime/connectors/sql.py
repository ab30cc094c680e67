"""Connectors of type `sql` turned into the gateway of their dialect."""

from __future__ import annotations

from importlib import import_module

from reconciler.access.resource import Resource
from reconciler.kinds.connector.served import SERVED
from reconciler.runtime.call import Connection, Failed, Open, Surroundings
from reconciler.runtime.extras import client_not_installed


async def open_sql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Import the gateway when it is used. Raises Failed for a dialect without one: such a target is not even listed."""
    dialect = connector.body["dialect"]
    module = SERVED["sql"].by.get(dialect)
    if module is None:
        raise Failed("not-supported", f"databases of the dialect {dialect} can't be used yet", "blocked")
    try:
        opens: Open = getattr(import_module(f"reconciler.runtime.connectors.{module}"), f"open_{module}")
    except ModuleNotFoundError as error:
        raise client_not_installed(error) from None
    return await opens(tenant, connector, around)
