"""What may stand in a field, in words: a type with its bounds and choices, and a link where the type has rules of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from reconciler.model.integers import SAFE_INTEGER
from reconciler.render.reference.prose import anchor, prose
from reconciler.render.schema_walk import Schema, alternatives_of, fields_below, plain
from reconciler.render.schemas import forms

VALUES = "values.md"
_CALLED = {"plain": "literal text", "day": "date", "cidr": "network"}
_PLURALS = {"text": "texts", "integer": "integers", "number": "numbers", "boolean": "booleans", "map": "maps"}


@cache
def called() -> Mapping[str, str]:
    """Types with a rule of their own, by the names of their definitions: how a sentence calls them."""
    return {name: _CALLED.get(name, name.replace("_", " ")) for name in forms()}


def form(node: Schema, whole: Schema) -> str:
    """Markdown, e.g. ``integer from 1 to 3600``."""
    node = _one(node)
    name = node["$ref"].rpartition("/")[2] if "$ref" in node else ""
    if name in called():
        return f"[{called()[name]}]({VALUES}#{anchor(called()[name])})"
    node = plain(node, whole)
    if "const" in node:
        return _code(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(map(_code, node["enum"]))
    if "anyOf" in node:
        options = alternatives_of(node)
        if [one.get("type") for one in options] == ["number", "string"]:  # exact, so text is as good
            return form(options[0], whole)
        return " or ".join(dict.fromkeys(form(one, whole) for one in options))
    return _typed(node, whole)


def default(node: Schema) -> str:
    """Return what holds where nothing is written; an empty text where that is nothing, too."""
    value = node.get("default")
    return "" if value in (None, "", [], {}) else f"default {_code(value)}"


def _one(node: Schema) -> Schema:
    """Without the alternatives that every field has, but with the name of its type."""
    while "anyOf" in node and len(own := alternatives_of(node)) == 1:
        node = own[0]
    return node


def _typed(node: Schema, whole: Schema) -> str:
    kind = node.get("type")
    if kind == "array":
        return _with("set" if node.get("uniqueItems") else "list", node.get("items"), whole) + _length(node, "Items")
    if kind == "object":
        return _with("map", node.get("additionalProperties"), whole) + _length(node, "Properties")
    if kind == "string":
        pattern = f", of the form `{node['pattern']}`" if "pattern" in node else ""
        return f"text{_length(node, 'Length')}{pattern}"
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"{kind}{_range(node)}" if kind else "any value"


def _with(word: str, inner: Any, whole: Schema) -> str:
    """Return the form of a list or map; of what, unless that is described below it."""
    if not isinstance(inner, dict):
        return word
    if fields_below(plain(inner, whole), whole):
        return f"{word} of maps"
    told = form(inner, whole).removeprefix("one of ")
    kind, comma, bounds = told.partition(", at ")
    if "`" in told or not comma:
        return f"{word} of {_PLURALS.get(told, told)}"
    return f"{word} of {_PLURALS.get(kind, kind)} (each at {bounds})"


def _range(node: Schema) -> str:
    least, most = node.get("minimum"), node.get("maximum")
    known = [
        f" from {least}" if least is not None and abs(least) < SAFE_INTEGER else "",
        f" to {most}" if most is not None and abs(most) < SAFE_INTEGER and most < 10**14 else "",
    ]
    more = f" above {node['exclusiveMinimum']}" if "exclusiveMinimum" in node else ""
    return more + "".join(known)


def _length(node: Schema, of: str) -> str:
    least, most = node.get(f"min{of}"), node.get(f"max{of}")
    if of == "Length":
        least = None if least == 1 and most else least  # "at most" says enough of a text
    unit = {"Length": "characters", "Items": "items", "Properties": "entries"}[of]
    bounds = [f"at least {least}" if least else "", f"at most {most} {unit}" if most else ""]
    told = " and ".join(filter(None, bounds))
    return f", {told}" if told else ""


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if text else '`""`'


def sentence(text: str) -> str:
    """Prose that ends in a full stop."""
    text = prose(text)
    return text if not text or text[-1] in ".!?" else f"{text}."
