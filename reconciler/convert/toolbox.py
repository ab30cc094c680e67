"""MCP Toolbox's sources and tools turned into connectors, datasources and templates of SQL.

Source: tools.yaml of MCP Toolbox for Databases, in its newer form (one document per source, tool and toolset) and in the
older one (the maps `sources`, `tools` and `toolsets`); IBM i's SQL tools have the older one, without types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.convert import toolbox_source, toolbox_tool
from reconciler.convert.conversion import Conversion, NotOfThisFormat
from reconciler.convert.ledger import Node

RESTRICTIONS = (*toolbox_source.RESTRICTIONS, *toolbox_tool.RESTRICTIONS)
SECTIONS = {"sources": "source", "tools": "tool", "toolsets": "toolset", "authServices": "authService"}
REASONS = {
    "toolset": "there are no groups of templates: policies and labels choose among them",
    "authService": "who callers are is no configuration of this kind",
    "authSource": "who callers are is no configuration of this kind",
    "prompt": "prompts are no configuration here",
    "embeddingModel": "models are integrations: convert their configuration",
}


class Entry(NamedTuple):
    """One source, tool or toolset in either form; ``type`` is Toolbox's own, e.g. `postgres-sql`."""

    section: str
    name: str
    type: str
    node: Node
    named: Node


def convert(conversion: Conversion) -> None:
    """Convert a toolbox. Raises NotOfThisFormat."""
    entries = [entry for document in conversion.documents for entry in _entries(document)]
    if not any(entry.section in {"source", "tool"} for entry in entries):
        raise NotOfThisFormat("expected documents with `kind: source`, or a map `sources`", (0,))
    sources = {name: toolbox_source.named(conversion, name, type) for name, type in conversion.sources.items()}
    for entry in entries:
        if entry.section == "source" and entry.name not in sources:
            sources[entry.name] = toolbox_source.make(conversion, entry.name, entry.type, entry.node, entry.named)
    for entry in entries:
        if entry.section == "tool":
            toolbox_tool.make(conversion, entry.name, entry.type, entry.node, entry.named, sources)
        elif entry.section in REASONS:
            entry.node.left(REASONS[entry.section])
    for made in sources.values():
        if made.datasource is not None:
            body = {"type": "database", "connector": made.connector, "tables": sorted(made.tables)}
            conversion.add("datasource", made.datasource, body, *made.users)


def _entries(document: Node) -> Iterator[Entry]:
    kind, name = document.get("kind"), document.get("name")
    if kind is not None and isinstance(kind.value, str) and name is not None:
        own = document.get("type")
        yield Entry(kind.carry(), str(name.carry()), str(own.carry()) if own is not None else "", document, name)
        return
    for section, singular in SECTIONS.items():
        node = document.get(section)
        for key, body in node.fields() if node is not None else ():
            own = body.get("kind") or body.get("type")
            yield Entry(singular, key, str(own.carry()) if own is not None else _untyped(singular, body), body, body)


def _untyped(section: str, node: Node) -> str:
    """Return the type of an entry that names none: IBM i's SQL tools, whose sources are all of one sort."""
    if section == "source" and node.get("host") is not None and node.get("user") is not None:
        return "ibmi"
    return "ibmi-sql" if section == "tool" and node.get("statement") is not None else ""
