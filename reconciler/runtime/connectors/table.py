"""The table of connectors that the runtime can use: adding one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from reconciler.access.resource import Resource
from reconciler.runtime.call import Call, Connection, Judge, Open, Surroundings

_LINES: Mapping[str, tuple[str, str]] = {
    "sql": ("sql", "open_sql"),
    "http": ("http", "open_http"),
    "vector": ("vector", "open_vector"),
    "mcp": ("mcp", "open_mcp"),
    "notification": ("message", "open_notification"),
    "file": ("file", "open_file"),
    "serverless": ("function", "open_serverless"),
    "integration": ("model", "open_model"),
}
"""By the connector's type, `integration` for a provider of models: its module here, and what opens it."""
_JUDGES: Mapping[str, tuple[str, str]] = {
    "sql": ("sql_judge", "judge_sql"),
    "file": ("file", "judge_file"),
    "serverless": ("function", "judge_function"),
}
"""The same for what judges a call before it is recorded; a type without one runs whatever its template takes."""


def _opener(module: str, function: str) -> Open:
    """Return a connector's opener, imported when it is used: a driver costs time and memory that not every server needs."""

    async def opens(tenant: str, connector: Resource, around: Surroundings) -> Connection:
        found: Open = _found(module, function)
        return await found(tenant, connector, around)

    return opens


def _judge(module: str, function: str) -> Judge:
    async def judges(call: Call) -> None:
        found: Judge = _found(module, function)
        await found(call)

    return judges


@cache
def _found(module: str, function: str) -> Any:
    return getattr(import_module(f"reconciler.runtime.connectors.{module}"), function)


CONNECTORS: Mapping[str, Open] = {name: _opener(*line) for name, line in _LINES.items()}
JUDGES: Mapping[str, Judge] = {name: _judge(*line) for name, line in _JUDGES.items()}
