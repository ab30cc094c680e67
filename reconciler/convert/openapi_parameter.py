"""One parameter of an OpenAPI operation turned into a template's, with every bound that its schema has."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any

from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.convert.patterns import whole
from reconciler.convert.values import bounded

FORMATS = {"date": "date", "date-time": "timestamp", "uuid": "uuid"}
_SCALARS = ("string", "integer", "number", "boolean")
_NUMERIC = ("integer", "number")
_SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": " ", "pipeDelimited": "|"}
_COLLECTIONS = {"csv": ",", "ssv": " ", "pipes": "|", "multi": None}
_REFUSED = ("not", "multipleOf", "if", "dependentRequired", "contains", "prefixItems", "$dynamicRef")
_BOUNDS = (
    "enum",
    "const",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "exclusiveMinimum",
    "exclusiveMaximum",
)
_LONGEST = 65536


def parameter(description: Description, node: Node, place: str, required: bool) -> dict[str, Any]:
    """Convert a parameter. Raises NotHere for a value, a style or a bound that no parameter of a template has."""
    schema = node if description.is_old else node.get("schema")
    if schema is None:
        raise NotHere("a parameter has no `schema` of one value")
    schema = _simple(description, schema)
    type = _type(description, schema)
    made: dict[str, Any] = {"type": type}
    of_bounds = schema
    if type == "array":
        items = schema.get("items")
        of_bounds = _simple(description, items) if items is not None else schema
        made["items"] = _type(description, of_bounds) if items is not None else "string"
        if made["items"] == "array":
            raise NotHere("a parameter is an array of arrays")
        made |= _lengths(schema, "minItems", "maxItems")
        if (unique := schema.get("uniqueItems")) is not None and unique.value is not False:
            raise NotHere("its items have to differ, and a parameter can't say so", unique)
        made["separator"] = _separator(description, node, place)
    elif not description.is_old:
        _require_plain_style(node, place)
    made |= _bounds(of_bounds if type != "array" or schema.get("items") is not None else None, made.get("items", type))
    is_null = _nullable(schema, made)
    default = schema.get("default")
    if default is not None:
        made["default"] = coerced(default.value, made["type"], made.get("items"), default)
        default.carry()
    if is_null or (not required and default is None):
        made["nullable"] = True
    if (form := schema.get("format")) is not None and str(form.value) not in FORMATS:
        form.left("of formats, only date, date-time and uuid are types of parameters")
    text = node.text("description") or schema.text("description")
    if text:
        made["description"] = prose(text, node.get("description"))
    return {key: value for key, value in made.items() if value is not None}


def _simple(description: Description, node: Node) -> Node:
    """Return the schema behind references and behind `allOf` with one part. Raises NotHere."""
    schema = description.map_of(node, "a schema")
    parts = schema.each("allOf")
    if schema.get("allOf") is not None:
        if len(parts) != 1 or any(schema.get(key) is not None for key in _BOUNDS):
            raise NotHere("a parameter's value has to fit several schemas", schema.get("allOf"))
        return _simple(description, parts[0])
    for key in _REFUSED:
        if (refused := schema.get(key)) is not None:
            raise NotHere(f"a parameter's value has a rule that no parameter here has: `{key}`", refused)
    return schema


def _words(schema: Node) -> list[str]:
    kind = schema.get("type")
    words = (
        kind.value if kind is not None and isinstance(kind.value, list) else [kind.value] if kind is not None else []
    )
    return [str(word) for word in words if word != "null"]


def _nullable(schema: Node, made: dict[str, Any]) -> bool:
    kind, flag = schema.get("type"), schema.get("nullable")
    listed = kind is not None and isinstance(kind.value, list) and "null" in kind.value
    if flag is not None:
        flag.carry()
    in_enum = None in made.get("enum", ())
    if in_enum:
        made["enum"] = [one for one in made["enum"] if one is not None]
    return listed or in_enum or (flag is not None and flag.value is True)


def _type(description: Description, schema: Node) -> str:
    """Return the one type of a value; any value, and several simple ones, are given as text. Raises NotHere."""
    kind, form, words = schema.get("type"), schema.get("format"), _words(schema)
    if kind is not None and not isinstance(kind.value, str | list):
        raise NotHere("a parameter's type is neither a word nor a list of words")
    if not words:
        return _of_choices(description, schema)
    if len(words) > 1 or words[0] not in (*_SCALARS, "array"):
        raise NotHere("a parameter's value has no one simple type")
    if kind is not None:
        kind.carry()
    if words[0] == "string" and form is not None and str(form.value) in FORMATS:
        return FORMATS[form.carry()]
    return words[0]


def _of_choices(description: Description, schema: Node) -> str:
    choices = [_simple(description, one) for key in ("oneOf", "anyOf") for one in schema.each(key)]
    if not choices:
        if schema.get("properties") is not None or schema.get("items") is not None:
            raise NotHere("a parameter's value has no one simple type")
        return "string"
    if any(one.get(key) is not None for one in choices for key in (*_BOUNDS, "oneOf", "anyOf", "properties")):
        raise NotHere("a parameter's value fits one of several schemas with bounds of their own", choices[0])
    found = {_type(description, one) for one in choices[:20]}
    if len(choices) > 20 or "array" in found:
        raise NotHere("a parameter's value has no one simple type")
    schema.note("values of several types are given as text")
    return found.pop() if len(found) == 1 else "string"


def _separator(description: Description, node: Node, place: str) -> str | None:
    """Return what stands between the items of an array; None if each is a value of its own. Raises NotHere."""
    if description.is_old:
        form = node.get("collectionFormat")
        word = str(form.carry()) if form is not None else "csv"
        if word not in _COLLECTIONS or (word == "multi" and place not in {"query", "formData"}):
            raise NotHere("the items of an array stand together in a form that no parameter has")
        return _COLLECTIONS[word]
    style, explode = node.get("style"), node.get("explode")
    word = str(style.value) if style is not None else "form" if place == "query" else "simple"
    if word not in _SEPARATORS or (place != "query") != (word == "simple"):
        raise NotHere("an array is written in a style that no parameter has")
    for one in (style, explode):
        if one is not None:
            one.carry()
    if place != "query":
        return ","
    exploded = explode.value is True if explode is not None else word == "form"
    return None if exploded else _SEPARATORS[word]


def _require_plain_style(node: Node, place: str) -> None:
    """Raise NotHere for a style that writes more than the value."""
    style, explode = node.get("style"), node.get("explode")
    if style is not None and str(style.value) not in {"form", "simple"}:
        raise NotHere("a value is written in a style that no parameter has")
    for one in (style, explode):
        if one is not None:
            one.carry()


def _bounds(schema: Node | None, type: str) -> dict[str, Any]:
    """Return the bounds of a single value. Raises NotHere for one that can't be kept."""
    made: dict[str, Any] = {}
    if schema is None:
        return made
    listed, const = schema.get("enum"), schema.get("const")
    if listed is not None:
        if not isinstance(listed.value, list) or not listed.value:
            raise NotHere("expected a list of values", listed)
        made["enum"] = [None if one is None else coerced(one, type, None, listed) for one in listed.value]
        listed.carry()
    if const is not None:
        made["enum"] = [coerced(const.value, type, None, const)]
        const.carry()
    if type in _NUMERIC:
        made |= _range(schema, type)
    if type == "string":
        made |= _lengths(schema, "minLength", "maxLength")
    if (pattern := schema.get("pattern")) is not None:
        if type != "string" or not isinstance(pattern.value, str):
            raise NotHere("a pattern of what is no text", pattern)
        try:
            made["pattern"] = whole(pattern.value)
        except ValueError as error:
            raise NotHere(str(error), pattern) from None
        pattern.carry()
    return made


def _range(schema: Node, type: str) -> dict[str, Any]:
    """Return `min` and `max`; an exclusive bound of integers is the next one."""
    found: dict[str, Any] = {}
    for word, ours, step in (("Minimum", "min", 1), ("Maximum", "max", -1)):
        bound, exclusive = schema.get(word.lower()), schema.get(f"exclusive{word}")
        values = [] if bound is None else [_bound(bound, type, step)]
        if exclusive is not None and exclusive.value is not False:
            source = bound if exclusive.value is True else exclusive
            if type != "integer" or source is None:
                raise NotHere("a bound that excludes itself, of what is no integer", exclusive)
            values.append(_next(source, step))
        if exclusive is not None:
            exclusive.carry()
        if bound is not None:
            bound.carry()
        if values:
            found[ours] = max(values) if ours == "min" else min(values)
    return found


def _bound(node: Node, type: str, step: int) -> Any:
    value = _number(node)
    if type == "integer":
        value = Decimal(math.ceil(value) if step > 0 else math.floor(value))
    return _kept(node, value, step)


def _next(node: Node, step: int) -> int:
    value = _number(node)
    return int(_kept(node, math.floor(value) + 1 if step > 0 else math.ceil(value) - 1, step))


def _kept(node: Node, value: Decimal | int, step: int) -> Any:
    """Return a bound as JSON keeps it here. Raises NotHere for one that would get wider."""
    kept = bounded(value, step > 0, node)
    if kept is None:
        raise NotHere("a bound beyond the numbers that are kept here", node)
    return kept


def _number(node: Node) -> Decimal:
    try:
        if isinstance(node.value, bool):
            raise InvalidOperation
        value = Decimal(str(node.value))
    except InvalidOperation:
        raise NotHere("a bound is no number", node) from None
    if not value.is_finite():
        raise NotHere("a bound is no number", node)
    return value


def _lengths(schema: Node, least: str, most: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, ours in ((least, "min_length"), (most, "max_length")):
        if (node := schema.get(key)) is None:
            continue
        value = _number(node)
        if value != int(value) or value < 0 or (ours == "max_length" and value < 1):
            raise NotHere("a length that no parameter can have", node)
        node.carry()
        if ours == "max_length" or value > 0:
            found[ours] = min(int(value), _LONGEST)
    return found


def coerced(value: Any, type: str, items: str | None, node: Node) -> Any:
    """Return a value as one of its type, such as `"50"` of an integer. Raises NotHere for one that can't be."""
    if type == "array":
        if not isinstance(value, list):
            raise NotHere("the default of an array is no list")
        return [coerced(one, items or "string", None, node) for one in value]
    if type == "boolean":
        words: dict[Any, bool] = {"true": True, "false": False}
        found = value if isinstance(value, bool) else words.get(value) if isinstance(value, str) else None
        if found is None:
            raise NotHere("a value is none of its type", node)
        return found
    if type in _NUMERIC:
        return _numeric(value, type, node)
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | Decimal):
        raise NotHere("a value is none of its type", node)
    return str(value)


def _numeric(value: Any, type: str, node: Node) -> Any:
    number = _number(Node(value, node.path, node.ledger))
    if type == "integer" and number != int(number):
        raise NotHere("a value is none of its type", node)
    return int(number) if number == int(number) else number
