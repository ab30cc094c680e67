"""What judging a value by a JSON Schema costs at most, found by following its references as the engine does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from msgspec import Struct

from reconciler.kinds.template.pattern import weight

MAX_BYTES = 65536
MAX_SUBSCHEMAS = 2_000
"""Subschemas that one value may be held against, each as often as it is referred to."""
MAX_LEVELS = 64
_DISJOINT = frozenset({"properties", "items", "prefixItems", "additionalProperties"})
"""Keywords that hold each part of a value against one of their schemas at most."""
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_ONE = "items additionalProperties unevaluatedProperties unevaluatedItems contains propertyNames not if then else"
_SCHEMAS = frozenset(_ONE.split())
_REFERENCES = frozenset({"$ref", "$dynamicRef"})


class TooMuch(ValueError):
    """A schema is beyond a bound; the text says which."""


def require_bounded(schema: Any) -> None:
    """Raise TooMuch for a schema whose cost is not linear in the size of a value, or beyond a bound."""
    if len(orjson.dumps(schema)) > MAX_BYTES:
        raise TooMuch(f"a schema has at most {MAX_BYTES} bytes")
    _walked(schema)


def steps_of(schema: Any) -> int:
    """Return what each character of a value costs at most, by the weights of all patterns. Raises TooMuch."""
    return _walked(schema).steps


def _walked(schema: Any) -> _Walk:
    walk = _Walk(schema)
    walk.visit(schema, {id(schema): 0}, 0, 0)
    return walk


class _Walk(Struct):
    """Every subschema is visited once for each way to it, but no reference into a schema that is being visited.

    Such a reference is a loop. One loop, or several through ``_DISJOINT`` keywords alone, hold each part of a value
    against each schema once; several that meet in the same part double the work on each level of the value.
    """

    root: Any
    count: int = 0
    steps: int = 0
    loops: int = 0
    meeting: bool = False

    def visit(self, schema: Any, visited: dict[int, int], branches: int, level: int) -> None:
        """``visited``: the schemas on the way here, and how many keywords outside of ``_DISJOINT`` led to each."""
        self.count += 1
        if self.count > MAX_SUBSCHEMAS:
            raise TooMuch(
                f"a schema has at most {MAX_SUBSCHEMAS} subschemas, each counted as often as it is referred to"
            )
        if level > MAX_LEVELS:
            raise TooMuch(f"a schema has at most {MAX_LEVELS} levels, those behind references included")
        if not isinstance(schema, dict):
            return
        named = schema.get("patternProperties")
        patterns = [schema.get("pattern"), *(named if isinstance(named, dict) else ())]
        self.steps += sum(weight(one) for one in patterns if isinstance(one, str))
        parts = [*_parts(schema)]
        references = [schema[key] for key in _REFERENCES & schema.keys() if isinstance(schema[key], str)]
        for key, part in parts:
            self.visit(part, visited, branches + (key not in _DISJOINT), level + 1)
        for reference in references:
            found = target_of(self.root, reference)
            shared = branches + bool(parts or len(references) > 1)
            if id(found) not in visited:
                self.visit(found, {**visited, id(found): shared}, shared, level + 1)
                continue
            self.loops, self.meeting = self.loops + 1, self.meeting or shared > visited[id(found)]
            if self.loops > 1 and self.meeting:
                raise TooMuch(
                    "a schema refers to itself once, or only below `properties`, `items`, `prefixItems` and "
                    "`additionalProperties`"
                )


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the subschemas; what is none, since the schema is malformed, is for others to judge."""
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            yield from ((key, part) for part in value.values())
        elif key in _LISTS and isinstance(value, list):
            yield from ((key, part) for part in value)
        elif key in _SCHEMAS:
            yield key, value


def target_of(root: Any, reference: str) -> Any:
    """Return the subschema that a reference inside of ``root`` points at, None for nothing there."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    for step in reference[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(root, dict) and key in root:
            root = root[key]
        elif isinstance(root, list) and key.isdecimal() and int(key) < len(root):
            root = root[int(key)]
        else:
            return None
    return root if isinstance(root, dict | bool) else None
