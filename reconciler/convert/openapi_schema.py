"""A schema of OpenAPI 3 turned into one of JSON Schema 2020-12 that refers to nothing outside of itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from reconciler.convert.ledger import Node, leaves
from reconciler.convert.openapi_refs import NotHere, target
from reconciler.kinds.template.pattern import is_linear
from reconciler.model.secret_text import hints_secret

MAX_DEFINITIONS = 100
MAX_NODES = 5000
_MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_ONE = "items additionalProperties unevaluatedProperties unevaluatedItems contains propertyNames not if then else"
_SCHEMAS = frozenset(_ONE.split())
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_KEPT = (
    "type enum const title description format required default minimum maximum exclusiveMinimum exclusiveMaximum multipleOf "
    "minLength maxLength minItems maxItems minProperties maxProperties uniqueItems pattern"
)
_PLAIN = frozenset(_KEPT.split())
_DROPPED = "annotations of OpenAPI and examples say nothing to JSON Schema"


class Schemas:
    """Converts schemas of one document; each call of ``convert`` gives a whole schema with its own ``$defs``."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []
        self._count = 0
        self._done: list[Node] = []

    def convert(self, node: Node) -> Any:
        """Convert a schema. Raises NotHere."""
        self._names, self._waiting, self._count, self._done = {}, [], 0, []
        schema = self._schema(node, False)
        definitions: dict[str, Any] = {}
        while self._waiting:
            reference = self._waiting.pop(0)
            definitions[self._names[reference]] = self._schema(target(self._root, reference), False)
        if definitions:
            if not isinstance(schema, dict):
                raise NotHere("the schema is no map")
            schema["$defs"] = definitions
        for leaf in self._done:
            leaf.carry()
        return schema

    def _schema(self, node: Node, secret: bool) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise NotHere(f"the schema has more than {MAX_NODES} parts")
        if isinstance(node.value, bool):
            self._done.append(node)
            return node.value
        if not isinstance(node.value, dict):
            raise NotHere("a schema is neither a map nor true nor false")
        made: dict[str, Any] = {}
        for key, child in node.fields():
            if key == "$ref":
                made["$ref"] = f"#/$defs/{self._definition(child)}"
                self._done.append(child)
            elif key in _MAPS and isinstance(child.value, dict):
                made[key] = {name: self._schema(one, hints_secret(name)) for name, one in child.fields()}
            elif key in _SCHEMAS:
                made[key] = self._schema(child, secret)
            elif key in _LISTS:
                made[key] = [self._schema(one, secret) for one in child.items()]
            elif key in _PLAIN and not (secret and key in {"default", "enum", "const"}):
                self._plain(made, key, child)
        return _nullable(made, node)

    def _plain(self, made: dict[str, Any], key: str, child: Node) -> None:
        value = child.value
        if key == "pattern" and not (isinstance(value, str) and is_linear(value)):
            child.left("a pattern that needs more than linear time")
            return
        if key in {"description", "title"} and not isinstance(value, str):
            return
        made[key] = _numbers(value)
        self._done.append(child)

    def _definition(self, node: Node) -> str:
        reference = str(node.value)
        target(self._root, node.value)
        if reference not in self._names:
            if len(self._names) >= MAX_DEFINITIONS:
                raise NotHere(f"the schema refers to more than {MAX_DEFINITIONS} others")
            base = (
                "".join(c if c.isalnum() or c in "_.-" else "_" for c in reference.rpartition("/")[2])[:100] or "schema"
            )
            name, number = base, 1
            while name in self._names.values():
                number += 1
                name = f"{base}_{number}"
            self._names[reference] = name
            self._waiting.append(reference)
        return self._names[reference]


def _nullable(made: dict[str, Any], node: Node) -> dict[str, Any]:
    """OpenAPI 3.0 writes ``nullable`` and boolean bounds where JSON Schema has types and numbers."""
    null = node.get("nullable")
    if null is not None and null.value is True:
        null.carry()
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
            if isinstance(made.get("enum"), list) and None not in made["enum"]:
                made["enum"] = [*made["enum"], None]
        elif "type" not in made:
            inner = {key: value for key, value in made.items() if key not in {"title", "description"}}
            made = {key: made[key] for key in ("title", "description") if key in made}
            made["anyOf"] = [inner, {"type": "null"}]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
            made[exclusive] = made.pop(bound)
    return made


def _numbers(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    return value


def leave_annotations(node: Node) -> None:
    """Account for annotations that no schema needed, once their operation is done."""
    if any(node.ledger.fates[path] is None for path, _value in leaves(node.value, node.path)):
        for key, child in node.fields():
            if key in {"example", "examples", "xml", "externalDocs", "discriminator", "deprecated"} or key.startswith(
                "x-"
            ):
                if all(node.ledger.fates[path] is None for path, _value in leaves(child.value, child.path)):
                    child.left(_DROPPED)
            else:
                leave_annotations(child)
        for child in node.items():
            leave_annotations(child)
