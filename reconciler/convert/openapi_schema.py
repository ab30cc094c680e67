"""A schema of OpenAPI turned into one of JSON Schema 2020-12 for requests, which refers to nothing outside of itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from reconciler.convert.ledger import Node, leaves
from reconciler.convert.openapi_parameter import coerced
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.convert.values import bounded
from reconciler.kinds.template.json_schema import SINGLE, TYPES
from reconciler.kinds.template.pattern import is_linear
from reconciler.kinds.template.schema_cost import LISTS, MAPS
from reconciler.model.integers import SAFE_INTEGER, is_whole
from reconciler.model.secret_text import hints_secret, may_be_secret

MAX_DEFINITIONS = 1000
MAX_NODES = 20_000
MAX_DEPTH = 7
"""Levels of one definition: what stands deeper becomes a definition of its own."""
MAX_PROSE = 48 * 1024
"""Bytes of a schema with descriptions; a larger one goes without those of its definitions."""
_NESTED = MAPS | SINGLE | LISTS
_KEPT = (
    "type enum const title description format required default minimum maximum exclusiveMinimum exclusiveMaximum multipleOf "
    "minLength maxLength minItems maxItems minProperties maxProperties uniqueItems pattern minContains maxContains "
    "dependentRequired"
)
_PLAIN = frozenset(_KEPT.split())
_LEAST, _MOST = frozenset({"minimum", "exclusiveMinimum"}), frozenset({"maximum", "exclusiveMaximum"})
_FOREIGN = frozenset({"$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor"})
_DROPPED = "annotations of OpenAPI and examples say nothing to JSON Schema"


class Schemas:
    """Converts schemas of one document; each call of ``convert`` gives a whole schema with its own ``$defs``."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._names: dict[tuple[str | int, ...], str] = {}
        self._waiting: list[tuple[Node, bool]] = []
        self._count = 0
        self._done: list[Node] = []
        self._hidden: set[str] = set()
        version = description.root.get("openapi")
        self._is_json_schema = version is not None and str(version.value).startswith("3.1")

    def convert(self, node: Node) -> Any:
        """Convert a schema. Raises NotHere."""
        self._names, self._waiting, self._count, self._done, self._hidden = {}, [], 0, [], set()
        schema = self._schema(node, False, 0)
        definitions: dict[str, Any] = {}
        while self._waiting:
            found, secret = self._waiting.pop(0)
            definitions[self._names[found.path]] = self._schema(found, secret, 0)
        if definitions:
            if not isinstance(schema, dict):
                raise NotHere("the schema is no map")
            schema["$defs"] = definitions
        for leaf in self._done:
            leaf.carry()
        _require_less(schema, self._hidden)
        if len(orjson.dumps(schema)) > MAX_PROSE:
            node.note("the schema is long, and goes without the descriptions of its definitions")
            for definition in definitions.values():
                _without_prose(definition)
        return schema

    def _schema(self, node: Node, secret: bool, depth: int) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise NotHere(f"the schema has more than {MAX_NODES} parts")
        if isinstance(node.value, bool):
            self._done.append(node)
            return node.value
        if not isinstance(node.value, dict):
            raise NotHere("a schema is neither a map nor true nor false")
        if depth > MAX_DEPTH and not _NESTED.isdisjoint(node.value):
            return {"$ref": f"#/$defs/{self._definition(node, 'part', secret)}"}
        reference = node.get("$ref")
        if reference is not None:
            found = self._description.target(reference)
            self._done.append(reference)
            name = str(reference.value).rpartition("/")[2].partition("#")[0]
            referred = {"$ref": f"#/$defs/{self._definition(found, name, secret)}"}
            if not self._is_json_schema:  # what stands beside a reference means nothing before 3.1
                return referred
        made: dict[str, Any] = dict(referred) if reference is not None else {}
        for key, child in node.fields():
            self._keyword(made, key, child, secret, depth)
        _coerce(made, node)
        return _nullable(made, node)

    def _keyword(self, made: dict[str, Any], key: str, child: Node, secret: bool, depth: int) -> None:
        if key == "properties" and isinstance(child.value, dict):
            made[key] = self._properties(made, child, depth)
        elif key in MAPS and isinstance(child.value, dict):
            made[key] = {name: self._schema(one, hints_secret(name), depth + 1) for name, one in child.fields()}
        elif key in SINGLE:
            made[key] = self._schema(child, secret, depth + 1)
        elif key in LISTS and isinstance(child.value, list):
            made[key] = [self._schema(one, secret, depth + 1) for one in child.items()]
        elif key in MAPS | LISTS:
            raise NotHere(f"`{key}` of a schema is of another form")
        elif key in _FOREIGN:
            raise NotHere(f"a schema uses `{key}`")
        elif key in _PLAIN:
            self._plain(made, key, child, secret)

    def _properties(self, made: dict[str, Any], node: Node, depth: int) -> dict[str, Any]:
        """Return the properties of a request; those that only answers have may not be given."""
        found: dict[str, Any] = {}
        hidden: list[str] = []
        for name, one in node.fields():
            if self._is_read_only(one):
                hidden.append(name)
                one.left("only answers have this property")
            else:
                found[name] = self._schema(one, hints_secret(name), depth + 1)
        if hidden:
            self._hidden.update(hidden)
            denied = [{"required": [name]} for name in hidden]
            made["not"] = denied[0] if len(denied) == 1 else {"anyOf": denied}
        return found

    def _is_read_only(self, node: Node) -> bool:
        flag = node.get("readOnly")
        if flag is None and node.get("$ref") is not None:
            flag = self._description.resolved(node).get("readOnly")
        return flag is not None and flag.value is True

    def _plain(self, made: dict[str, Any], key: str, child: Node, secret: bool) -> None:
        value = child.value
        if key == "pattern" and not (isinstance(value, str) and is_linear(value)):
            raise NotHere("a pattern that needs more than linear time", child)
        if key in {"description", "title"} and not isinstance(value, str):
            return
        if key == "type" and not {str(one) for one in (value if isinstance(value, list) else [value])} <= TYPES:
            raise NotHere("a schema has a type that JSON doesn't have")
        if secret and key == "default":
            child.left("what may be a secret has no default")
            return
        if secret and key in {"enum", "const"} and any(may_be_secret(one) for one in _texts(value)):
            raise NotHere("a value that may be a secret is written out", child)
        if key == "required" and isinstance(value, bool):
            child.left("of a schema, `required` is a list of names")
            return
        made[key] = _numbers(value, child, key)
        self._done.append(child)

    def _definition(self, node: Node, wanted: str, secret: bool) -> str:
        if node.path not in self._names:
            if len(self._names) >= MAX_DEFINITIONS:
                raise NotHere(f"the schema refers to more than {MAX_DEFINITIONS} others")
            base = "".join(c if c.isalnum() or c in "_.-" else "_" for c in wanted)[:100] or "schema"
            name, number = base, 1
            while name in self._names.values():
                number += 1
                name = f"{base}_{number}"
            self._names[node.path] = name
            self._waiting.append((node, secret))
        return self._names[node.path]


def _coerce(made: dict[str, Any], node: Node) -> None:
    """Turn defaults and listed values into ones of the schema's type, such as `"50"` of an integer. Raises NotHere."""
    type = made.get("type")
    if type not in ("integer", "number", "boolean", "string"):
        return
    if "default" in made and made["default"] is not None:
        try:
            made["default"] = coerced(made["default"], type, None, node)
        except NotHere:
            del made["default"]
            node.note("a default that is none of its type is missing")
    if isinstance(made.get("enum"), list):
        made["enum"] = [None if one is None else coerced(one, type, None, node) for one in made["enum"]]
    for key in [key for key in ("default", "enum") if key in made]:
        made[key] = _numbers(made[key], node, key)


def _nullable(made: dict[str, Any], node: Node) -> dict[str, Any]:
    """OpenAPI 3.0 writes ``nullable`` and boolean bounds where JSON Schema has types and numbers."""
    null = node.get("nullable") or node.get("x-nullable")
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


def _numbers(value: Any, node: Node, key: str) -> Any:
    """Return numbers as manifests have them; a bound beyond those that are kept here is narrowed. Raises NotHere."""
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        kept = bounded(value, key in _LEAST, node) if key in _LEAST | _MOST else _exact(value)
        if kept is None:
            raise NotHere("a number is beyond those that are kept here", node)
        return float(kept) if isinstance(kept, Decimal) else kept
    if isinstance(value, list):
        return [_numbers(item, node, key) for item in value]
    if isinstance(value, dict):
        return {name: _numbers(item, node, key) for name, item in value.items()}
    return value


def _exact(value: Decimal | int) -> Decimal | int | None:
    if is_whole(value):
        return int(value)
    return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else None


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _require_less(schema: Any, hidden: set[str]) -> None:
    """Take properties that only answers have out of every list of required ones."""
    if isinstance(schema, list):
        for one in schema:
            _require_less(one, hidden)
    if not isinstance(schema, dict) or not hidden:
        return
    required = schema.get("required")
    if isinstance(required, list):
        own = schema.get("properties") or {}
        kept = [name for name in required if name not in hidden or name in own]
        if kept != required:
            schema.pop("required")
            schema |= {"required": kept} if kept else {}
    for key, value in schema.items():
        if key in MAPS or key == "$defs":
            for one in value.values():
                _require_less(one, hidden)
        elif (key in SINGLE and key != "not") or key in LISTS:
            _require_less(value, hidden)


def _without_prose(schema: Any) -> None:
    if isinstance(schema, list):
        for one in schema:
            _without_prose(one)
    if not isinstance(schema, dict):
        return
    for key in ("description", "title"):
        if isinstance(schema.get(key), str):
            del schema[key]
    for key, value in schema.items():
        if key in MAPS:
            for one in value.values():
                _without_prose(one)
        elif key in SINGLE or key in LISTS:
            _without_prose(value)


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
