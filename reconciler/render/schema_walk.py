"""A schema of ours, read back: what a node is, and which fields stand below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from reconciler.render.schema_values import VARIABLES

Schema: TypeAlias = Mapping[str, Any]


def plain(node: Schema, whole: Schema) -> Schema:
    """Without references, and without the alternatives that every field has (a variable, null)."""
    while True:
        if "$ref" in node:
            node = whole["$defs"][node["$ref"].rpartition("/")[2]]
        elif "anyOf" in node and len(own := alternatives_of(node)) == 1:
            node = own[0]
        else:
            return node


_VARIABLES = frozenset(f"#/$defs/{name}" for name in VARIABLES)


def alternatives_of(node: Schema) -> list[Schema]:
    """Return what else than a variable or null may stand there."""
    return [s for s in node["anyOf"] if s.get("type") != "null" and s.get("$ref") not in _VARIABLES]


def variants_of(node: Schema) -> dict[str, Schema]:
    """By the value that decides which fields there are."""
    found = {}
    for rule in node.get("allOf", ()):
        for choice in rule.get("if", {}).get("properties", {}).values():
            if "const" in choice and "then" in rule:
                found[str(choice["const"])] = rule["then"]
    return found


def fields_below(node: Schema, whole: Schema) -> dict[str, Schema]:
    """Return what a path may go on with; ``*`` stands for any key, and for each item."""
    found = {**node.get("properties", {}), **variants_of(node)}
    for more in (node.get("additionalProperties"), node.get("items")):
        if isinstance(more, dict) and (inner := plain(more, whole)) and fields_below(inner, whole):
            found["*"] = {"description": "Each of them.", **more}
    return found
