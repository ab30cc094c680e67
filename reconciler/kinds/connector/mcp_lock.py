"""What a lock keeps of one server, and how the connector that reaches it takes the definitions of its declared tools."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from reconciler.kinds.connector.mcp_definition import Definition
from reconciler.kinds.mask import holds_mask
from reconciler.model.body import canonical
from reconciler.model.target import is_part


class LockedServer(Struct, frozen=True):
    """One entry of a lock: a server by what was reached, and the tools that it listed when it was pinned.

    ``protocol`` and ``server`` (its own name and version) are information, and never compared.
    """

    reached: str
    protocol: str
    server: Mapping[str, str]
    tools: Mapping[str, Definition]


def reached(body: Mapping[str, Any]) -> str:
    """Return what a lock calls the server: its URL, or the program with its arguments; empty for an invalid body.

    The body may be one that nobody has validated, with its variables substituted.
    """
    if body.get("transport") != "stdio":
        url = body.get("url")
        return url if isinstance(url, str) else ""
    argv = [body.get("command"), *_items(body.get("args"))]
    return shlex.join(argv) if all(isinstance(one, str) for one in argv) else ""


def _items(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else []


def folded(body: Mapping[str, Any], tools: Mapping[str, Definition]) -> dict[str, Any]:
    """Return the body with the definition and the pin of each declared tool that is in a lock.

    A tool with a definition of its own keeps that. One with a pin of its own takes only the definition that has it. Tools
    that the body does not declare are not added.
    """
    declared = body.get("tools")
    if not isinstance(declared, Mapping):
        return {**body}
    return {**body, "tools": {name: _pinned(tool, tools.get(name)) for name, tool in declared.items()}}


def _pinned(tool: Any, found: Definition | None) -> Any:
    if found is None or not isinstance(tool, Mapping) or tool.get("definition") is not None:
        return tool
    if tool.get("pin") not in (None, found.digest):
        return tool
    return {**tool, "definition": found.members, "pin": found.digest}


class Compared(NamedTuple):
    """What is another in a server's list than in a lock: names of tools, sorted."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def compared(before: Mapping[str, Definition], after: Mapping[str, Definition]) -> Compared:
    """Compare the tools of a lock with those that a server lists, by their digests."""
    both = before.keys() & after.keys()
    return Compared(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(name for name in both if before[name].digest != after[name].digest)),
        tuple(sorted(before.keys() - after.keys())),
    )


def unfit(tool: Definition) -> str | None:
    """Return why no connector can declare a tool that its server lists; None where one can."""
    if not is_part(tool.name):
        return "its name can't stand in a connector: up to 128 letters, digits and _ . / -"
    return "a text of it reads like a value that is not shown" if holds_mask(canonical(dict(tool.members))) else None
