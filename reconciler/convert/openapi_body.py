"""The body of an OpenAPI operation turned into a template's: JSON of a schema, or a form."""

from __future__ import annotations

import re
from typing import Any

from reconciler.convert.ledger import Node
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.convert.openapi_schema import Schemas
from reconciler.kinds.template.form import FORM

_BODILESS = frozenset({"get", "head", "options"})
_JSON = re.compile(r"application/[a-z0-9.+-]{1,80}\+json")


def body_of(description: Description, node: Node, method: str) -> dict[str, Any]:
    """Return `body`, and what says how it is sent, of a Request Body Object. Raises NotHere."""
    request = description.map_of(node, "its body")
    content = request.get("content")
    if content is None or not isinstance(content.value, dict) or not content.value:
        raise NotHere("its body has no `content`")
    kinds = [(key.partition(";")[0].strip().lower(), media) for key, media in content.fields()]
    chosen = next(((kind, media) for kind, media in kinds if is_json(kind)), None)
    chosen = chosen or next(((kind, media) for kind, media in kinds if kind == FORM), None)
    if chosen is None:
        raise NotHere("its body is neither JSON nor a form")
    if method in _BODILESS:
        raise NotHere("a GET request has no body here")
    kind, media = chosen
    for other in (one for _kind, one in kinds if one.path != media.path):
        other.left("of several types of bodies, one is written")
    required = request.get("required")
    if required is not None:
        required.carry()
    if required is None or required.value is not True:
        request.note("the body may be left out there; here it is always sent")
    if not isinstance(media.value, dict):
        raise NotHere("its body is no map")
    return _written(description, media, kind)


def is_json(media: str) -> bool:
    """Whether a body of a media type may be JSON."""
    return media in {"application/json", "*/*", "application/*"} or media.endswith("+json")


def _written(description: Description, media: Node, kind: str) -> dict[str, Any]:
    schema = media.get("schema")
    if schema is None and "schema" in media.value:
        raise NotHere("its body has no schema")
    if schema is not None:
        _require_understood(description, schema)
    made = Schemas(description).convert(schema) if schema is not None else {}
    if made is True:
        made = {}
    if not isinstance(made, dict):
        raise NotHere("no body fits its schema")
    if schema is not None and schema.value in ({}, True):
        schema.carry()
    found: dict[str, Any] = {"body": made}
    if kind == FORM:
        found["body_encoding"] = _encoding(media)
    elif _JSON.fullmatch(kind):
        found["headers"] = {"Content-Type": kind}
    return found


def _require_understood(description: Description, schema: Node) -> None:
    """Raise NotHere for what is no schema, behind references too."""
    found = description.resolved(schema)
    if not isinstance(found.value, dict | bool):
        raise NotHere("a schema is neither a map nor true nor false")


def _encoding(media: Node) -> str:
    """Return how a form writes maps and lists. Raises NotHere for styles that no template has."""
    rules = media.get("encoding")
    styles = set()
    for _name, rule in rules.fields() if rules is not None else ():
        style, explode = rule.get("style"), rule.get("explode")
        if explode is not None and explode.value is False and (style is None or style.value != "deepObject"):
            raise NotHere("a field of its form is written in a style that no template has")
        if style is not None:
            styles.add(str(style.value))
        if rule.get("contentType") is not None or rule.get("headers") is not None:
            raise NotHere("a field of its form has a type of its own")
    if styles - {"form", "deepObject"}:
        raise NotHere("a field of its form is written in a style that no template has")
    if rules is not None:
        rules.carry()
    return "brackets" if "deepObject" in styles else "form"


def old_body(description: Description, parameters: list[Node], consumes: list[str], method: str) -> dict[str, Any]:
    """Return `body` of the parameters `in: body` and `in: formData` of version 2. Raises NotHere."""
    if method in _BODILESS:
        raise NotHere("a GET request has no body here")
    whole = [one for one in parameters if one.value.get("in") == "body"]
    if whole:
        if len(parameters) > 1:
            raise NotHere("it has two bodies")
        if consumes and not any(is_json(kind) for kind in consumes):
            raise NotHere("its body is not JSON")
        schema = whole[0].get("schema")
        if schema is None:
            raise NotHere("its body has no schema")
        _carry(whole[0], ("in", "name", "required", "description"))
        _require_understood(description, schema)
        made = Schemas(description).convert(schema)
        if schema.value == {}:
            schema.carry()
        if not isinstance(made, dict):
            raise NotHere("no body fits its schema")
        return {"body": made}
    if consumes and FORM not in consumes:
        raise NotHere("its body is neither JSON nor a form")
    return {"body": _form(description, parameters), "body_encoding": "form"}


def _form(description: Description, parameters: list[Node]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in parameters:
        name = one.get("name")
        if name is None or one.value.get("type") == "file":
            raise NotHere("its form has a file")
        if one.value.get("type") == "array" and one.value.get("collectionFormat") != "multi":
            raise NotHere("the items of an array stand together in a form that no template has")
        flag = one.get("required")
        if flag is not None and flag.value is True:
            required.append(str(name.value))
        plain = {
            key: value for key, value in one.value.items() if key not in {"name", "in", "required", "collectionFormat"}
        }
        properties[str(name.value)] = Schemas(description).convert(Node(plain, one.path, one.ledger))
        _carry(one, ("in", "name", "required", "collectionFormat"))
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def _carry(node: Node, keys: tuple[str, ...]) -> None:
    for key in keys:
        if (one := node.get(key)) is not None:
            one.carry()
