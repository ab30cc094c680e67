"""The names by which an operator may freeze a resource: its address, and its tool as agents see it."""

from __future__ import annotations

from reconciler.kinds.table import KINDS, TOOL
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.patterns import regex

_NAME = regex(r"[A-Za-z0-9_-]{1,64}\Z")


def is_tool(text: str) -> bool:
    """Whether a text may be the name of a tool."""
    return _NAME.match(text) is not None


def tools_in(address: Address, body: Body) -> frozenset[str]:
    """Return the names under which agents see a resource as tools."""
    calls = KINDS[address.kind].calls if address.kind in KINDS else None
    return (
        frozenset(tool for tool, _ in calls.tools(address.name, body) if isinstance(tool, str))
        if calls
        else frozenset()
    )


def names_of(address: Address, body: Body) -> frozenset[str]:
    """Return every TENANT/KIND/NAME by which an operator may freeze the resource, or a tool of it."""
    return frozenset({str(address), *(f"{address.tenant}/{TOOL}/{tool}" for tool in tools_in(address, body))})
