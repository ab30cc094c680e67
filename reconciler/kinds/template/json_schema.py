"""Whether a map is a plausible JSON Schema (Draft 2020-12) that nothing has to be fetched for."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, Final

from reconciler.errors import Path
from reconciler.kinds.rules import Fault
from reconciler.kinds.schema_engine import UnusableSchema, require_usable
from reconciler.kinds.template.pattern import is_linear
from reconciler.kinds.template.schema_cost import LISTS, MAPS, TooMuch, require_bounded, target_of
from reconciler.model.characters import unseen_fault

TYPES = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})
_MAPS = MAPS | {"$defs", "definitions"}
_ONE = "items additionalProperties unevaluatedProperties unevaluatedItems contains propertyNames not if then else"
SINGLE = frozenset(_ONE.split())
_WHOLE = "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains"
_COUNTS = frozenset(_WHOLE.split())
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_TEXTS = frozenset({"title", "description", "$comment", "format", "contentEncoding", "contentMediaType"})
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_CODE: Final = "invalid-schema"


def schema_faults(schema: Any, path: Path) -> Iterator[Fault]:
    """Yield everything that is wrong with a schema; its depth was bounded when it was read."""
    wrong = False
    for fault in _faults(schema, path, schema):
        wrong = True
        yield fault
    if not wrong:
        try:
            require_bounded(schema)
            require_usable(schema)
        except TooMuch as error:
            yield Fault(path, _CODE, str(error))
        except UnusableSchema:
            yield Fault(path, _CODE, "expected a JSON Schema that values can be held against")


def _faults(schema: Any, path: Path, root: Any) -> Iterator[Fault]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield Fault(path, _CODE, "expected a JSON Schema: a map, or true or false")
        return
    for key, value in schema.items():
        below = (*path, key)
        if key in _MAPS:
            yield from _map(value, below, root)
        elif key in SINGLE:
            yield from _faults(value, below, root)
        elif key in LISTS:
            yield from _list(value, below, root)
        else:
            message = _keyword(key, value)
            if message:
                yield Fault(below, _CODE, message)
            if key in {"$ref", "$dynamicRef"}:
                yield from _reference(value, below, root)


def body_faults(schema: Any, parameters: Container[str]) -> Iterator[Fault]:
    """Yield what is wrong with a template's `body`: the schema itself, and a parameter that has its name."""
    if schema is None:
        return
    if not isinstance(schema, dict):
        yield Fault(("body",), "wrong-type", "expected a JSON Schema, as a map")
    else:
        yield from schema_faults(schema, ("body",))
        yield from unseen_faults(schema, ("body",))
    if "body" in parameters:
        yield Fault(("parameters", "body"), "conflicting-fields", "`body` is what the caller calls the body itself")


def unseen_faults(value: Any, path: Path) -> Iterator[Fault]:
    """Every text of a schema, keys too, that a model would read and a person can't see."""
    if isinstance(value, str):
        if fault := unseen_fault(value):
            yield Fault(path, "unseen-character", fault)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unseen_faults(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if fault := unseen_fault(key):
                yield Fault(path, "unseen-character", f"in a key, {fault}")
            yield from unseen_faults(item, (*path, key))


def _map(value: Any, path: Path, root: Any) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, _CODE, "expected a map of JSON Schemas by name")
        return
    for name, schema in value.items():
        if path[-1] == "patternProperties" and not is_linear(name):
            yield Fault((*path, name), _CODE, "expected a regular expression without look-around as the key")
        yield from _faults(schema, (*path, name), root)


def _list(value: Any, path: Path, root: Any) -> Iterator[Fault]:
    if not isinstance(value, list) or not value:
        yield Fault(path, _CODE, "expected a list of JSON Schemas with at least one item")
        return
    for index, schema in enumerate(value):
        yield from _faults(schema, (*path, index), root)


def _reference(value: Any, path: Path, root: Any) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(path, _CODE, "expected a reference such as #/$defs/address")
    elif not value.startswith("#"):
        yield Fault(path, "remote-ref", "a reference stays inside this schema: it begins with #; nothing is fetched")
    elif target_of(root, value) is None:
        yield Fault(path, _CODE, "this reference points nowhere inside this schema")


def _keyword(key: str, value: Any) -> str | None:
    """Return what is wrong with a keyword that holds no schemas; unknown keywords are annotations."""
    if key == "type":
        types = value if isinstance(value, list) else [value]
        known = all(isinstance(one, str) and one in TYPES for one in types)
        return None if known and types else f"expected one of {', '.join(sorted(TYPES))}, or a list of them"
    if key in _COUNTS:
        return None if _is_number(value) and isinstance(value, int) and value >= 0 else "expected a whole number from 0"
    if key in _NUMBERS:
        return None if _is_number(value) and (key != "multipleOf" or value > 0) else "expected a number"
    if key in _TEXTS:
        return None if isinstance(value, str) else "expected text"
    if key == "enum":
        return None if isinstance(value, list) and value else "expected a list with at least one value"
    if key == "uniqueItems":
        return None if isinstance(value, bool) else "expected true or false"
    if key == "required":
        names = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return None if names and len(set(value)) == len(value) else "expected a list of different names"
    if key == "pattern":
        linear = isinstance(value, str) and is_linear(value)
        return None if linear else "expected a regular expression without back-references and look-around"
    if key == "$schema":
        return None if value in {_DRAFT, _DRAFT + "#"} else f"expected {_DRAFT}"
    if key == "x-mcp-header":
        return "x-mcp-header would repeat a value in a header, and this server reads none; leave it out"
    if key in {"$id", "$anchor", "$dynamicAnchor", "$vocabulary"}:
        return f"{key} is not used here; leave it out"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
