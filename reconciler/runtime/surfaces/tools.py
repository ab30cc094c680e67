"""A template turned into the tool that agents see: its name, what it is for, and the JSON Schema of its values."""

from __future__ import annotations

from typing import Any

from reconciler.access.snapshot import Resource
from reconciler.kinds.template.action import action_of, reads_only

_FORMATS = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
}


def tool_of(name: str, template: Resource) -> dict[str, Any]:
    """As ``GET /v1/tools`` tells it."""
    body = template.body
    return {
        "name": name,
        "description": body["description"],
        "action": action_of(body),
        "read_only": reads_only(body),
        "input_schema": input_schema(template),
    }


def input_schema(template: Resource) -> dict[str, Any]:
    """Of the values that the caller gives: those that come from who calls are not in it."""
    body = template.body
    own = {name: one for name, one in body["parameters"].items() if one.get("from") is None}
    properties = {name: _schema(one) for name, one in own.items()}
    required = [name for name, one in own.items() if one.get("default") is None and not one["nullable"]]
    if isinstance(body.get("body"), dict):
        properties["body"] = body["body"]
        required.append("body")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(parameter: dict[str, Any]) -> dict[str, Any]:
    scalar = parameter.get("items") or "string" if parameter["type"] == "array" else parameter["type"]
    one: dict[str, Any] = dict(_FORMATS[scalar])
    bounds = {"min": "minimum", "max": "maximum"} if scalar in {"integer", "number"} else {}
    one |= {word: parameter[name] for name, word in bounds.items() if parameter.get(name) is not None}
    if scalar == "string" and parameter.get("pattern") is not None:
        one["pattern"] = f"^(?:{parameter['pattern']})$"
    if parameter.get("enum") is not None:
        one["enum"] = parameter["enum"]
    length = parameter.get("max_length")
    if parameter["type"] == "array":
        found: dict[str, Any] = {"type": "array", "items": one} | ({"maxItems": length} if length else {})
    else:
        found = one | ({"maxLength": length} if length and scalar == "string" else {})
    if parameter["nullable"]:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    described = {"description": parameter["description"]} if parameter["description"] else {}
    default = {"default": parameter["default"]} if parameter.get("default") is not None else {}
    return {**found, **described, **default}
