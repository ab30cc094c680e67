"""One operation of an OpenAPI description turned into a template: path, typed parameters and the body's schema."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from reconciler.convert.ledger import Node
from reconciler.convert.names import identifier, prose
from reconciler.convert.openapi_refs import NotHere, resolved
from reconciler.convert.openapi_schema import Schemas
from reconciler.model.secret_text import hints_secret

_FORMATS = {"date": "date", "date-time": "timestamp", "uuid": "uuid"}
_BOUNDS = {"minimum": "min", "maximum": "max", "maxLength": "max_length", "pattern": "pattern", "enum": "enum"}
_THEIRS = {"accept", "content-type", "authorization"}
_OF_AUTH = "credentials come from the connector's `auth`, never from a caller"


def template(root: Node, path: str, method: str, item: Node, operation: Node) -> tuple[dict[str, Any], str]:
    """Return the template's body without its connector, and its description. Raises NotHere with the reason."""
    body: dict[str, Any] = {
        "type": "http",
        "method": method.upper(),
        "path": path,
        "query": {},
        "headers": {},
        "parameters": {},
    }
    for parameter in _parameters(root, item, operation):
        _add(root, body, parameter)
    missing = [name for name in re.findall(r"\{([^}]*)\}", body["path"]) if name not in body["parameters"]]
    if missing:
        raise NotHere("its path has a part that no parameter describes")
    request = operation.get("requestBody")
    if request is not None:
        body["body"] = _request(root, resolved(root, request), method)
    words = [
        node.carry()
        for key in ("summary", "description")
        if (node := operation.get(key)) and isinstance(node.value, str)
    ]
    return body, "\n\n".join(words)


def _parameters(root: Node, item: Node, operation: Node) -> list[Node]:
    """Those of the path and of the operation, which overrides."""
    found: dict[tuple[str, str], Node] = {}
    for owner in (item, operation):
        if (listed := owner.get("parameters")) is not None and not listed.value:
            listed.carry()
        for one in owner.each("parameters"):
            parameter = resolved(root, one)
            name, place = parameter.get("name"), parameter.get("in")
            if name is None or place is None or not isinstance(name.value, str):
                raise NotHere("a parameter has no `name` or no `in`")
            found[name.value, str(place.value)] = parameter
    return list(found.values())


def _add(root: Node, body: dict[str, Any], parameter: Node) -> None:
    own, where = parameter.get("name"), parameter.get("in")
    assert own is not None
    assert where is not None
    text, place = str(own.value), str(where.value)
    required = place == "path" or ((flag := parameter.get("required")) is not None and flag.value is True)
    why = None
    if place == "header" and text.lower() in _THEIRS:
        why = "OpenAPI leaves this header to the media types and to `security`"
    elif place == "cookie":
        why = "templates send no cookies"
    elif place in {"query", "header"} and (hints_secret(text) or text.lower().endswith("-key")):
        why = _OF_AUTH
    if why is None:
        try:
            made = _parameter(root, parameter, required)
        except NotHere as error:
            if required:
                raise
            why = str(error)
    if why is not None:
        if required and why != _OF_AUTH and place == "cookie":
            raise NotHere(why)
        parameter.left(why)
        return
    name = identifier(text)
    while name in body["parameters"] or name == "body":
        name = f"{name}_{place}"[:63]
    if name != text:
        own.note("a parameter's name has lower-case letters, digits and underscores here; the request keeps its own")
    body["parameters"][name] = made
    if place == "path":
        body["path"] = body["path"].replace(f"{{{text}}}", f"{{{name}}}")
    else:
        body["query" if place == "query" else "headers"][text] = f"{{{name}}}"
    for part in (own, where, parameter.get("required")):
        if part is not None:
            part.carry()


def _parameter(root: Node, parameter: Node, required: bool) -> dict[str, Any]:
    """Convert a parameter. Raises NotHere for a value that no parameter can have."""
    schema = parameter.get("schema")
    if schema is None:
        raise NotHere("a parameter has no `schema` of one value")
    schema = resolved(root, schema)
    made: dict[str, Any] = {"type": _type(root, schema)}
    of_bounds = schema
    if made["type"] == "array":
        items = schema.get("items")
        inner = _type(root, resolved(root, items)) if items is not None else "string"
        if inner == "array":
            raise NotHere("a parameter is an array of arrays")
        made["items"] = inner
        of_bounds = resolved(root, items) if items is not None else schema
        if (most := schema.get("maxItems")) is not None and isinstance(most.value, int):
            made["max_length"] = most.carry()
    for theirs, ours in _BOUNDS.items():
        bound = of_bounds.get(theirs)
        if bound is None or (made["type"] == "array" and theirs == "maxLength"):
            continue
        exclusive = of_bounds.get("exclusiveM" + theirs[1:]) if theirs in {"minimum", "maximum"} else None
        if exclusive is not None and exclusive.value is True:
            bound.left("bounds include themselves here")
        elif ours != "enum" or isinstance(bound.value, list):
            made[ours] = _number(bound.carry())
    default = schema.get("default")
    if default is not None:
        made["default"] = _number(default.carry())
    elif not required:
        made["nullable"] = True
    if (form := schema.get("format")) is not None and str(form.value) not in _FORMATS:
        form.left("of formats, only date, date-time and uuid are types of parameters")
    text = parameter.text("description") or schema.text("description")
    if text:
        made["description"] = prose(text, parameter.get("description"))
    return made


def _type(root: Node, schema: Node) -> str:
    """Return the one type of a value; of several that are simple ones, text."""
    kind, form = schema.get("type"), schema.get("format")
    words = (
        kind.value if kind is not None and isinstance(kind.value, list) else [kind.value] if kind is not None else []
    )
    words = [word for word in words if word != "null"]
    if not words:
        choices = [*schema.each("oneOf"), *schema.each("anyOf")]
        found = {
            _type(root, resolved(root, one))
            for one in choices[:20]
            if one.get("oneOf") is None and one.get("anyOf") is None
        }
        if not found or "array" in found:
            raise NotHere("a parameter's value has no one simple type")
        schema.note("values of several types are given as text")
        return found.pop() if len(found) == 1 else "string"
    if len(words) > 1 or words[0] not in ("string", "integer", "number", "boolean", "array"):
        raise NotHere("a parameter's value has no one simple type")
    if kind is not None:
        kind.carry()
    if words[0] == "string" and form is not None and str(form.value) in _FORMATS:
        return _FORMATS[form.carry()]
    return str(words[0])


def _request(root: Node, request: Node, method: str) -> Any:
    content = request.get("content")
    json = next((node for key, node in content.fields() if _is_json(key)), None) if content is not None else None
    if content is None or json is None:
        raise NotHere("its body is not JSON")
    if method in {"get", "head", "options"}:
        raise NotHere("a GET request has no body here")
    for key, other in content.fields():
        if other.path != json.path:
            other.left("bodies are JSON here")
        elif key != "application/json":
            other.note("the body is sent as application/json")
    required = request.get("required")
    if required is not None:
        required.carry()
    if required is None or required.value is not True:
        request.note("the body may be left out there; here it is always sent")
    schema = json.get("schema")
    return Schemas(root).convert(schema) if schema is not None else {"type": "object"}


def _is_json(media: str) -> bool:
    kind = media.partition(";")[0].strip().lower()
    return kind in {"application/json", "*/*", "application/*"} or kind.endswith("+json")


def _number(value: Any) -> Any:
    return [_number(item) for item in value] if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
