"""Which risks a change to a field may carry: found by trying values on both sides, since only the judges themselves know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import permutations
from typing import Any

from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.plan import Action, Change
from reconciler.model.risk import ABSENT, RISKS
from reconciler.model.secret_ref import SCHEMES
from reconciler.planner.risks import risks_of
from reconciler.render.schema_walk import Schema, alternatives_of, fields_below, plain, variants_of

_ADDRESS = Address("acme", "", "example")
_TEXTS = ("one", "other", "https://one.example", "https://other.example")
_SECRETS = tuple(f"{scheme}://ONE" for scheme in SCHEMES)


def field_risks(kind: str, node: Schema, whole: Schema) -> Mapping[tuple[str, ...], tuple[str, ...]]:
    """By the path of a field, variants and ``*`` included as they stand in the schema: names, the gravest first."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    top = plain(node, whole)
    body = {key: deepcopy(value) for key, item in top["properties"].items() for value in [*_present(item, whole)][:1]}
    for path, place, item, base in _fields(node, whole, (), (), body):
        names: set[str] = set()
        for before, after in permutations(_values(item, whole), 2):
            change = Change(
                _ADDRESS._replace(kind=kind), Action.UPDATE, _with(base, place, before), _with(base, place, after)
            )
            names.update(risks_of(change))
        if names:
            found[path] = tuple(name for name in RISKS if name in names)
    return found


Place = tuple[str, ...]


def _fields(
    node: Schema, whole: Schema, path: Place, place: Place, body: Body
) -> Iterator[tuple[Place, Place, Schema, Body]]:
    """Each field: where the schema has it, where a body has it, what it is, and a body to try it in."""
    node = plain(node, whole)
    variants = variants_of(node)
    for key, item in fields_below(node, whole).items():
        if key in variants:
            tag = next(iter(node["properties"]))
            yield from _fields(item, whole, (*path, key), place, _with(body, (*place, tag), key))
        elif len(path) < 6 and not (key == "*" and node.get("type") == "array"):
            inner = (*place, "example" if key == "*" else key)
            yield (*path, key), inner, item, body
            yield from _fields(item, whole, (*path, key), inner, body)


def _values(node: Schema, whole: Schema) -> list[Any]:
    """Some values that the judges may tell apart, and none."""
    return [ABSENT, *_present(node, whole)]


def _present(node: Schema, whole: Schema) -> Iterator[Any]:
    node = plain(node, whole)
    if "anyOf" in node:
        for one in alternatives_of(node):
            yield from _present(one, whole)
    elif "const" in node:
        yield node["const"]
    elif "enum" in node:
        yield from node["enum"]
    else:
        yield from _TYPES.get(node.get("type", "object"), ())
        if "vault" in node.get("pattern", ""):
            yield from _SECRETS
        if _takes_secrets(node):
            yield {"one": _SECRETS[0]}


def _takes_secrets(node: Schema) -> bool:
    """A map of free values, or of more than text."""
    if node.get("type", "object") != "object" or "properties" in node:
        return False
    values = node.get("additionalProperties", {})
    return isinstance(values, dict) and "type" not in values and "$ref" not in values


_TYPES: Mapping[str, tuple[Any, ...]] = {
    "boolean": (False, True),
    "integer": (1, 2),
    "number": (1, 2),
    "string": _TEXTS,
    "array": ([], ["one"], ["other"], ["one", "other"]),
    "object": ({}, {"one": "a"}, {"one": "b", "other": "c"}),
}


def _with(body: Body, place: Place, value: Any) -> Body:
    changed = deepcopy(dict(body))
    parent: Any = changed
    for key in place[:-1]:
        if not isinstance(parent.get(key), dict):
            parent[key] = {}
        parent = parent[key]
    parent.pop(place[-1], None)
    if value is not ABSENT:
        parent[place[-1]] = deepcopy(value)
    return changed
