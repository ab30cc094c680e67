"""One parameter of a Toolbox or IBM i tool turned into a template's, with every bound that it has there.

Source: the parameters of MCP Toolbox for Databases, and of IBM i's SQL tools, whose bounds are those of JSON Schema.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from reconciler.convert.ledger import Node
from reconciler.convert.names import identifier, prose
from reconciler.convert.patterns import any_of, whole
from reconciler.convert.values import whole as whole_number

TYPES = {"string": "string", "integer": "integer", "float": "number", "number": "number", "boolean": "boolean"}
_BOUNDS = {"minValue": "min", "maxValue": "max", "min": "min", "max": "max"}
_ELSEWHERE = ("valueFromParam", "embeddedBy")
_LOGINS = ("authServices", "authSources")


class NotCarried(Exception):
    """Why a tool can't become a template; ``node`` is the field that would have limited it, if one is the reason."""

    def __init__(self, reason: str, node: Node | None = None) -> None:
        super().__init__(reason)
        self.node = node


def parameters(node: Node, key: str, wanted: dict[str, Any]) -> list[str]:
    """Return the names of a tool's parameters in their order; what each is goes into ``wanted``. Raises NotCarried."""
    names: list[str] = []
    listed = node.get(key)
    if listed is not None and not isinstance(listed.value, list):
        raise NotCarried("its parameters are no list")
    for item in node.each(key):
        own = item.get("name")
        if own is None or not isinstance(own.value, str):
            raise NotCarried("a parameter has no name")
        name = identifier(own.value)
        if name in wanted:
            raise NotCarried(f"two parameters would be named `{name}`")
        if name != own.value:
            own.note("a parameter's name has lower-case letters, digits and underscores", name)
        own.carry()
        wanted[name] = parameter(item)
        names.append(name)
    return names


def parameter(item: Node) -> dict[str, Any]:
    """Convert one parameter. Raises NotCarried for one with a type or a bound that a template's can't have."""
    for key in _ELSEWHERE:
        if item.get(key) is not None:
            raise NotCarried(f"a parameter's value comes from somewhere else than the caller (`{key}`)")
    body = _typed(item)
    if (text := item.text("description")) is not None:
        body["description"] = prose(text, item.get("description"))
    origin = _origin(item)
    if origin is not None:
        return {**body, "from": origin}
    default, required = item.get("default"), item.get("required")
    if default is not None:
        body["default"] = default.carry()
    if required is not None:
        required.carry()
        if required.value is False and default is None:
            body["nullable"] = True
    return {key: value for key, value in body.items() if value is not None}


def _typed(item: Node) -> dict[str, Any]:
    type = item.get("type")
    word = str(type.value) if type is not None else "string"
    body: dict[str, Any] = {"type": TYPES.get(word, word)}
    if word == "array":
        if (values := item.get("allowedValues") or item.get("excludedValues")) is not None:
            raise NotCarried("the values of a whole array are limited", values)
        items = item.get("items")
        inner = item.get("itemType") or (items.get("type") if items is not None else None)
        if inner is None or str(inner.value) not in TYPES:
            raise NotCarried("an array has items of one simple type here")
        body["items"] = TYPES[str(inner.carry())]
        if items is not None:
            body |= _bounds(items, body["items"])
            for key in ("name", "description"):
                if (words := items.get(key)) is not None:
                    words.left("items have no name and no description of their own")
        body |= _lengths(item, "minItems", "maxItems") or _lengths(item, "minLength", "maxLength")
    elif word not in TYPES:
        raise NotCarried("a parameter is of a type whose values can't be bound")
    else:
        body |= _bounds(item, body["type"])
    if type is not None:
        type.carry()
    return body


def _bounds(item: Node, type: str) -> dict[str, Any]:
    """Return the bounds of a single value."""
    body: dict[str, Any] = {}
    if (excluded := item.get("excludedValues")) is not None and excluded.value:
        raise NotCarried("it lists values that are not allowed, and a template lists those that are", excluded)
    if (values := item.get("allowedValues") or item.get("enum")) is not None:
        body |= _values(values, type, is_enum=item.get("allowedValues") is None)
    for theirs, ours in _BOUNDS.items():
        if (bound := item.get(theirs)) is not None:
            if (
                not isinstance(bound.value, int | Decimal)
                or isinstance(bound.value, bool)
                or type not in ("integer", "number")
            ):
                raise NotCarried("a bound that is no number, or not of a number", bound)
            body[ours] = bound.carry()
    body |= _lengths(item, "minLength", "maxLength")
    if (pattern := item.get("pattern")) is not None:
        if "pattern" in body or not isinstance(pattern.value, str):
            raise NotCarried("a parameter has one pattern", pattern)
        body["pattern"] = _whole(pattern, pattern.value)
        pattern.carry()
    return body


def _values(node: Node, type: str, is_enum: bool) -> dict[str, Any]:
    """Return the values that are allowed; Toolbox finds each as a pattern anywhere in a text."""
    values = node.value
    if not isinstance(values, list) or not values or not all(isinstance(one, str | int | Decimal) for one in values):
        raise NotCarried("expected a list of values that are allowed", node)
    texts = [isinstance(one, str) for one in values]
    if type != "string" and not any(texts):
        return {"enum": node.carry()}
    if type != "string" or not all(texts):
        raise NotCarried("values that are allowed have another type than the parameter", node)
    if is_enum or all(re.fullmatch(r"\^[\w -]*\$", one) for one in values):
        node.carry()
        return {"enum": values if is_enum else [one[1:-1] for one in values]}
    try:
        pattern = any_of(values)
    except ValueError as error:
        raise NotCarried(str(error), node) from None
    node.carry()
    node.note(
        "Toolbox finds these as patterns anywhere in a value, and so does the template: anchor them with `^` and `$`"
    )
    return {"pattern": pattern}


def _whole(node: Node, pattern: str) -> str:
    try:
        return whole(pattern)
    except ValueError as error:
        raise NotCarried(str(error), node) from None


def _lengths(item: Node, least: str, most: str) -> dict[str, Any]:
    found = {
        "min_length": whole_number(item.get(least), 0, 65536),
        "max_length": whole_number(item.get(most), 1, 65536),
    }
    for key in (least, most):
        if (node := item.get(key)) is not None and node.ledger.fates.get(node.path) == "left":
            raise NotCarried("a length that no parameter can have", node)
    return {key: value for key, value in found.items() if value}


def _origin(item: Node) -> str | None:
    """Return the claim of the caller's token that the value is."""
    services = next((node for key in _LOGINS if (node := item.get(key)) is not None), None)
    if services is None:
        return None
    fields = {str(field.value) for one in services.items() if (field := one.get("field")) is not None}
    if len(fields) != 1 or not re.fullmatch(r"[A-Za-z0-9_:/.-]{1,200}", claim := fields.pop()):
        raise NotCarried("its value comes from one of several logins, or from no field of one", services)
    services.carry()
    services.note("the value is a claim of the caller's own token, whoever issued it", f"claims.{claim}")
    return f"claims.{claim}"
