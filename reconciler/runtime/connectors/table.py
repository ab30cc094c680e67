"""The table of connectors that the runtime can use: adding one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from reconciler.access.resource import Resource
from reconciler.runtime.call import Connection, Open, Surroundings

_LINES: Mapping[str, tuple[str, str]] = {
    "sql": ("sql", "open_sql"),
    "http": ("http", "open_http"),
}
"""By the connector's type: its module here, and what opens it."""


def _by(module: str, function: str) -> Open:
    """Imported when it is used: a driver costs time and memory that not every server needs."""

    async def opens(tenant: str, connector: Resource, around: Surroundings) -> Connection:
        found: Open = getattr(import_module(f"reconciler.runtime.connectors.{module}"), function)
        return await found(tenant, connector, around)

    return opens


CONNECTORS: Mapping[str, Open] = {name: _by(*line) for name, line in _LINES.items()}
