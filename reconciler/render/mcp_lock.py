"""Locks of MCP servers as text: the same servers always give the same bytes, with nothing of when, where or in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.kinds.connector.mcp_definition import MEMBERS, Definition
from reconciler.kinds.connector.mcp_lock import LockedServer
from reconciler.render.manifest import as_block, unsubstituted

HEAD = "# Written by `reconciler mcp pin`; edit nothing here"
LONG, WIDTH = 80, 100
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def lock_text(connector: str, servers: Iterable[LockedServer]) -> str:
    """Return the whole file of a connector's lock."""
    lines = [HEAD, "version: 1", "mcp_lock:"]
    entries = [line for one in sorted(servers, key=lambda one: one.reached) for line in _server(one)]
    lines += [f"  {unsubstituted(connector)}:" if entries else f"  {unsubstituted(connector)}: []", *entries]
    return "\n".join(lines) + "\n"


def _server(one: LockedServer) -> Iterator[str]:
    protocol = one.protocol if _DATE.fullmatch(one.protocol) else unsubstituted(one.protocol)
    yield f"  - reached: {unsubstituted(one.reached)}"
    yield f"    protocol: {protocol}"
    yield f"    server: {_flow(one.server)}"
    yield "    tools:" if one.tools else "    tools: {}"
    for name in sorted(one.tools):
        yield from tool_lines(name, one.tools[name], " " * 6)


def tool_lines(name: str, tool: Definition, indent: str = "") -> Iterator[str]:
    """Yield the lines of one tool."""
    yield f"{indent}{unsubstituted(name)}:"
    yield f"{indent}  digest: {unsubstituted(tool.digest)}"
    for member in MEMBERS.values():
        if member in tool.members:
            yield from _entry(f"{indent}  ", member, tool.members[member])


def _entry(indent: str, key: str, value: Any) -> Iterator[str]:
    yield from _value(f"{indent}{unsubstituted(key)}:", indent, value)


def _value(lead: str, indent: str, value: Any) -> Iterator[str]:
    """Yield a value behind ``lead``; what has to go below stands two columns further in than ``indent``."""
    if isinstance(value, str):
        yield from _text(lead, indent, value)
        return
    flow = _flow(value)
    if not value or not isinstance(value, dict | list) or (_is_flat(value) and len(lead) + len(flow) < WIDTH):
        yield f"{lead} {flow}"
        return
    yield lead
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _entry(f"{indent}  ", key, value[key])
    else:
        for item in value:
            yield from _value(f"{indent}  -", f"{indent}  ", item)


def _text(lead: str, indent: str, text: str) -> Iterator[str]:
    if ("\n" not in text and len(text) <= LONG) or not as_block(text):
        yield f"{lead} {unsubstituted(text)}"
        return
    yield f"{lead} |" if text.endswith("\n") else f"{lead} |-"
    yield from (f"{indent}  {line}" if line else "" for line in text.removesuffix("\n").split("\n"))


def _is_flat(value: Any) -> bool:
    """Whether a list or a map reads well on one line: nothing in it is long or has lines."""
    items = [*value.values()] if isinstance(value, dict) else value
    return all(
        (len(one) <= LONG and "\n" not in one) if isinstance(one, str) else not isinstance(one, dict | list) or not one
        for one in items
    )


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{unsubstituted(key)}: {_flow(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return unsubstituted(value)
