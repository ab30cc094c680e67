"""One tool `http` of MCP Toolbox turned into a template of type `http`, its text of a body into a schema.

Source: the tool `http` of MCP Toolbox for Databases, whose paths and bodies are Go templates.
"""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.reach import text_of
from reconciler.convert.references import has_variable
from reconciler.convert.secrets import is_secret
from reconciler.convert.toolbox_parameter import NotCarried, parameters
from reconciler.convert.toolbox_source import Made
from reconciler.model.secret_ref import looks_secret

_ACTION = re.compile(r"\{\{-?\s*(?P<json>json\s+)?\.(?P<name>[A-Za-z_]\w*)\s*-?\}\}")
_QUOTED = re.compile(r'"\{\{-?\s*\.([A-Za-z_]\w*)\s*-?\}\}"')
_MARK = "\ue000"
_SCALARS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}
_KINDS = {"pathParams": "path", "queryParams": "query", "headerParams": "headers"}


def template(conversion: Conversion, node: Node, made: Made) -> dict[str, Any]:
    """Return the body of a template. Raises NotCarried."""
    wanted: dict[str, Any] = {}
    names = {key: _names(node, key, wanted) for key in _KINDS}
    bodies: dict[str, Any] = {}
    parameters(node, "bodyParams", bodies)
    method, path = node.text("method") or "GET", node.get("path")
    if path is None or not isinstance(path.value, str):
        raise NotCarried("it names no path")
    text, _, query = path.value.partition("?")
    if query or has_variable(_ACTION.sub("", text)):
        raise NotCarried("its path has a query, or a part that is filled in elsewhere", path)
    path.carry()
    found: dict[str, Any] = {
        "type": "http",
        "connector": made.connector,
        "method": method.upper(),
        "path": "/" + _ACTION.sub(lambda one: f"{{{one['name'].lower()}}}", text).lstrip("/"),
        "query": {name: _said(name, value) for name, value in made.query.items()},
        "headers": _headers(node.get("headers")),
        "parameters": wanted,
    }
    for key in ("queryParams", "headerParams"):
        for own, name in names[key]:
            found[_KINDS[key]][own] = _said(own, f"{{{name}}}")
    if (request := node.get("requestBody")) is not None:
        found["body"] = _body(request, bodies)
    elif bodies:
        raise NotCarried("it has parameters of a body and no body")
    if (words := node.text("description")) is not None:
        found["description"] = prose(words, node.get("description"))
    made.methods.add(found["method"])
    return found


def _names(node: Node, key: str, wanted: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the tool's own names of its parameters, and the template's."""
    before = [str(item.value.get("name")) for item in node.each(key) if isinstance(item.value, dict)]
    return list(zip(before, parameters(node, key, wanted), strict=False))


def _said(name: str, value: str) -> Any:
    return {"plain": value} if looks_secret(name) or name.lower().endswith("-key") else value


def _headers(node: Node | None) -> dict[str, Any]:
    """Return fixed headers. Raises NotCarried for one that is filled in elsewhere, or that is a secret."""
    found: dict[str, Any] = {}
    for name, value in node.fields() if node is not None else ():
        text = text_of(value.value)
        if text is None or has_variable(text) or is_secret(name, text):
            raise NotCarried("one of its headers is a secret or filled in elsewhere: the source has those", value)
        if name.lower() != "content-type" or not text.startswith("application/json"):
            found[name] = text
        value.carry()
    return found


def _body(node: Node, bodies: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body that is a text with parameters in it. Raises NotCarried."""
    if not isinstance(node.value, str):
        raise NotCarried("its body is no text", node)

    def mark(found: re.Match[str]) -> str:
        name = found[1] if found.re is _QUOTED else found["name"]
        return json.dumps(f"{_MARK}{name.lower()}")

    text = _ACTION.sub(mark, _QUOTED.sub(mark, node.value))
    try:
        value = json.loads(text)
    except ValueError:
        raise NotCarried("its body is put together from pieces that are no values of JSON") from None
    schema = _schema(value, bodies)
    if any(f'"{_MARK}{name}"' not in json.dumps(value, ensure_ascii=False) for name in bodies):
        raise NotCarried("a parameter of its body is declared and not used")
    node.carry()
    return schema


def _schema(value: Any, bodies: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value, dict):
        properties = {key: _schema(one, bodies) for key, one in value.items()}
        return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    if isinstance(value, list):
        return (
            {
                "type": "array",
                "prefixItems": [_schema(one, bodies) for one in value],
                "items": False,
                "minItems": len(value),
            }
            if value
            else {"const": []}
        )
    if isinstance(value, str) and _MARK in value:
        name = value.removeprefix(_MARK)
        if name not in bodies or _MARK in name:
            raise NotCarried("its body holds a part of a text, or a parameter that is not declared")
        return _of_parameter(bodies[name])
    return {"const": value}


def _of_parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter's values. Raises NotCarried."""
    if "from" in parameter:
        raise NotCarried("a part of its body comes from a login")
    kind = parameter["type"] if parameter["type"] != "array" else parameter["items"]
    one: dict[str, Any] = {"type": _SCALARS[kind]}
    words = {"min": "minimum", "max": "maximum", "enum": "enum", "min_length": "minLength", "max_length": "maxLength"}
    one |= {
        theirs: parameter[ours] for ours, theirs in words.items() if ours in parameter and parameter["type"] != "array"
    }
    if "pattern" in parameter:
        one["pattern"] = f"^(?:{parameter['pattern']})$"
    if parameter["type"] == "array":
        return {"type": "array", "items": one}
    return one | ({"description": parameter["description"]} if parameter.get("description") else {})
