"""Values to play a converted template with: the input's own examples, and made-up ones where it has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.convert.ledger import Node
from reconciler.convert.openapi_parameter import coerced
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.model.body import Body

MOST_LEVELS = 12
_TEXTS = {"date": "2024-01-31", "date-time": "2024-01-31T12:00:00Z", "uuid": "00000000-0000-4000-8000-000000000000"}


def of_operation(
    description: Description, body: Body, parameters: Mapping[str, Node], operation: Node
) -> list[dict[str, Any]]:
    """Return the examples of an operation: its parameters' first ones with each example of its body."""
    values: dict[str, Any] = {}
    for name, node in parameters.items():
        found = _first(description, node)
        if found is not None:
            one = body["parameters"][name]
            try:
                values[name] = coerced(found.value, one["type"], one.get("items"), found)
            except NotHere:
                continue
    if body.get("body") is None:
        return [values] if values else []
    bodies = _bodies(description, operation)
    return [{**values, "body": one} for one in bodies] or ([values] if values else [])


def _first(description: Description, node: Node) -> Node | None:
    own = node.get("example") or node.get("x-example")
    if own is None:
        own = next((found for _name, one in _examples(node) if (found := one.get("value")) is not None), None)
    schema = node.get("schema")
    if own is None and schema is not None:
        try:
            return description.resolved(schema).get("example")
        except NotHere:
            return None
    return own


def _examples(node: Node) -> list[tuple[str, Node]]:
    found = node.get("examples")
    return [*found.fields()] if found is not None else []


def _bodies(description: Description, operation: Node) -> list[Any]:
    request = operation.get("requestBody")
    try:
        request = description.resolved(request) if request is not None else None
        content = request.get("content") if request is not None else None
        found: list[Any] = []
        for _media, one in content.fields() if content is not None else ():
            if "example" in one.value:
                found.append(one.value["example"])
            found += [
                resolved.value["value"]
                for _name, example in _examples(one)
                if isinstance((resolved := description.resolved(example)).value, dict) and "value" in resolved.value
            ]
            schema = one.get("schema")
            behind = description.resolved(schema) if schema is not None else None
            if not found and behind is not None and isinstance(behind.value, dict) and "example" in behind.value:
                found.append(behind.value["example"])
            break
    except NotHere:
        return []
    return found


def made_up(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each required property of a tool's schema."""
    wanted = schema.get("required", ())
    return {name: sample(one, one) for name, one in schema["properties"].items() if name in wanted}


def sample(schema: Any, root: Any, level: int = 0) -> Any:
    """Return a small value of a schema; one that a pattern or a combination refuses is no fault of it."""
    if not isinstance(schema, Mapping) or level > MOST_LEVELS:
        return None
    if "$ref" in schema:
        return sample(_referred(schema["$ref"], root), root, level + 1)
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("oneOf", "anyOf"):
        if schema.get(key):
            return sample(schema[key][0], root, level + 1)
    if schema.get("allOf"):
        parts = [sample(one, root, level + 1) for one in schema["allOf"]]
        maps = [one for one in parts if isinstance(one, dict)]
        return {key: value for one in maps for key, value in one.items()} if maps else parts[0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    return _of_kind(kind, schema, root, level)


def _of_kind(kind: Any, schema: Mapping[str, Any], root: Any, level: int) -> Any:
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties", {})
        return {name: sample(properties.get(name, {}), root, level + 1) for name in schema.get("required", ())}
    if kind == "array":
        listed = [sample(one, root, level + 1) for one in schema.get("prefixItems", ())]
        missing = schema.get("minItems", 0) - len(listed)
        return listed + [sample(schema.get("items", {}), root, level + 1)] * max(0, missing)
    if kind in {"integer", "number"}:
        return schema.get("minimum", min(1, schema.get("maximum", 1)))
    if kind == "boolean":
        return True
    if kind == "string":
        text = _TEXTS.get(str(schema.get("format")), "text")
        return (text * (1 + int(schema.get("minLength", 0)) // 4))[: schema.get("maxLength", 65536)]
    return None


def _referred(reference: str, root: Any) -> Any:
    for step in reference.split("/")[1:]:
        root = root.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(root, Mapping) else {}
    return root
