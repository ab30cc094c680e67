"""One operation of an OpenAPI description turned into a template: path, typed parameters and the body's schema."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from reconciler.convert.ledger import Node
from reconciler.convert.names import identifier
from reconciler.convert.openapi_body import body_of, old_body
from reconciler.convert.openapi_parameter import parameter
from reconciler.convert.openapi_refs import Description, NotHere
from reconciler.model.secret_ref import looks_secret

_THEIRS = {"accept", "content-type", "authorization"}
_PLACES = frozenset({"path", "query", "header", "cookie", "body", "formData"})
_OF_AUTH = "credentials come from the connector's `auth`, never from a caller"
CREDENTIALS = frozenset(
    {
        "api_key", "apikey", "api-key", "x-api-key", "x-apikey", "access_token", "access-token", "accesstoken", "auth_token",
        "auth-token", "x-auth-token", "x-access-token", "client_secret", "private_token", "private-token", "authtoken",
        "proxy-authorization", "x-auth-key",
    }
)  # fmt: skip
"""Names of parameters that carry a credential by themselves. Others, such as `pageToken`, only sound like one."""


def template(
    description: Description, path: str, method: str, item: Node, operation: Node, fills: set[tuple[str, str]]
) -> tuple[dict[str, Any], str, dict[str, Node]]:
    """Return the template's body without its connector, its description, and its parameters' nodes by name.

    ``fills`` are the parameters that `auth` fills in. Raises NotHere.
    """
    plain, _, query = path.partition("?")
    if "#" in path:
        raise NotHere("its path has a fragment, which no request has")
    body: dict[str, Any] = {
        "type": "http",
        "method": method.upper(),
        "path": plain,
        "query": dict(parse_qsl(query, keep_blank_values=True)),
        "headers": {},
        "parameters": {},
    }
    bodies: list[Node] = []
    nodes: dict[str, Node] = {}
    for one in parameters_of(description, item, operation):
        if str(one.value.get("in")) in {"body", "formData"} and description.is_old:
            bodies.append(one)
        else:
            _add(description, body, one, fills, nodes)
    missing = [name for name in re.findall(r"\{([^}]*)\}", body["path"]) if name not in body["parameters"]]
    if missing:
        raise NotHere("its path has a part that no parameter describes")
    _add_body(description, body, operation, bodies, method)
    words = [
        node.carry()
        for key in ("summary", "description")
        if (node := operation.get(key)) and isinstance(node.value, str)
    ]
    return body, "\n\n".join(words), nodes


def _add_body(description: Description, body: dict[str, Any], operation: Node, bodies: list[Node], method: str) -> None:
    request = operation.get("requestBody")
    if "requestBody" in operation.value and request is None:
        raise NotHere("its body is no map")
    if bodies:
        listed = operation.get("consumes") or description.root.get("consumes")
        consumes = [str(one).lower() for one in listed.value] if listed and isinstance(listed.value, list) else []
        body |= old_body(description, bodies, consumes, method)
    elif request is not None and not description.is_old:
        found = body_of(description, request, method)
        body["headers"] |= found.pop("headers", {})
        body |= found


def parameters_of(description: Description, item: Node, operation: Node) -> list[Node]:
    """Return the parameters of the path and of the operation, which overrides. Raises NotHere."""
    found: dict[tuple[str, str], Node] = {}
    for owner in (item, operation):
        listed = owner.get("parameters")
        if listed is not None and not isinstance(listed.value, list):
            raise NotHere("its parameters are no list")
        if listed is not None and not listed.value:
            listed.carry()
        for one in owner.each("parameters"):
            node = description.map_of(one, "a parameter")
            name, place = node.get("name"), node.get("in")
            if name is None or place is None or not isinstance(name.value, str) or str(place.value) not in _PLACES:
                raise NotHere("a parameter has no `name` or no `in`")
            found[name.value, str(place.value)] = node
    return list(found.values())


def is_credential(node: Node) -> bool:
    """Whether a parameter carries a credential by its name alone."""
    return str(node.value.get("in")) in {"query", "header"} and str(node.value.get("name")).lower() in CREDENTIALS


def is_required(node: Node) -> bool:
    """Whether a request has to have a parameter."""
    return node.value.get("in") == "path" or node.value.get("required") is True


def _add(
    description: Description, body: dict[str, Any], node: Node, fills: set[tuple[str, str]], nodes: dict[str, Node]
) -> None:
    text, place = str(node.value["name"]), str(node.value["in"])
    required = is_required(node)
    why = None
    if place == "header" and text.lower() in _THEIRS:
        why = "OpenAPI leaves this header to the media types and to `security`"
    elif (place, text.lower()) in fills or is_credential(node):
        why = _OF_AUTH
    elif place == "cookie":
        why = "templates send no cookies"
        if required:
            raise NotHere(why)
    made: dict[str, Any] = {}
    if why is None:
        try:
            made = parameter(description, node, place, required)
        except NotHere as error:
            if required:
                raise
            why = f"the parameter can't be written: {error}"
    if why is not None:
        node.left(why)
        return
    nodes[_put(body, node, text, place, made)] = node


def _put(body: dict[str, Any], node: Node, text: str, place: str, made: dict[str, Any]) -> str:
    """Put a parameter where the request has it; return its name here."""
    name = identifier(text)
    while name in body["parameters"] or name == "body":
        name = f"{name}_{place}"[:63]
    own = node.get("name")
    if name != text and own is not None:
        own.note("a parameter's name has lower-case letters, digits and underscores here; the request keeps its own")
    body["parameters"][name] = made
    if place == "path":
        body["path"] = body["path"].replace(f"{{{text}}}", f"{{{name}}}")
    else:
        is_header = place == "header"
        is_plain = looks_secret(text) or (
            is_header and text.lower().endswith("-key") and text.lower() != "idempotency-key"
        )
        value: Any = f"{{{name}}}"
        body["headers" if is_header else "query"][text] = {"plain": value} if is_plain else value
    for key in ("name", "in", "required"):
        if (part := node.get(key)) is not None:
            part.carry()
    return name
