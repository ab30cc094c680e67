"""An OpenAPI description turned into a connector of type `http` and one template per operation.

Source: the OpenAPI Specification, versions 3.0 and 3.1.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from reconciler.convert import openapi_operation
from reconciler.convert.conversion import Conversion, NotOfThisFormat
from reconciler.convert.ledger import Node
from reconciler.convert.names import prose
from reconciler.convert.openapi_refs import NotHere, resolved
from reconciler.convert.openapi_schema import leave_annotations
from reconciler.convert.restrictions import Restriction

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
RESTRICTIONS = (
    Restriction("parameters.*.schema", "bounds of a parameter", "`parameters`", judged=True),
    Restriction("requestBody.content.*.schema", "what a body may be", "`body`", judged=True),
)
REASONS = {
    "responses": "templates say nothing of answers",
    "callbacks": "nothing is called back",
    "externalDocs": "manifests have no links to pages",
    "tags": "templates have no tags",
    "deprecated": "templates have no lifecycle",
    "security": "how requests authenticate is the connector's, one way for all",
}
_TOP = {
    "components": "no request uses it: it describes answers, or nothing",
    "webhooks": "nothing is called back",
    "tags": "templates have no tags",
    "servers": "a connector has one address: the first",
    "info": "manifests don't describe an API",
}


def convert(conversion: Conversion) -> None:
    """Convert an API's description. Raises NotOfThisFormat."""
    root = conversion.documents[0] if conversion.documents else None
    if root is None or root.get("openapi") is None or not isinstance(root.value, dict):
        older = root is not None and root.get("swagger") is not None
        raise NotOfThisFormat("it is of version 2; expected 3.0 or 3.1" if older else "expected `openapi: 3…`", (0,))
    version, paths = root.get("openapi"), root.get("paths")
    if version is None or not str(version.value).startswith(("3.0", "3.1")):
        raise NotOfThisFormat("expected version 3.0 or 3.1", (0, "openapi"))
    if paths is None or not isinstance(paths.value, dict):
        raise NotOfThisFormat("expected `paths`", (0,))
    version.carry()
    title = root.at("info", "title")
    name = conversion.name("connector", str(title.value) if title is not None else "api", title)
    used: set[str] = set()
    for path, item in paths.fields():
        if path.startswith("x-"):
            continue
        try:
            item = resolved(root, item)
        except NotHere as error:
            item.left(str(error))
            continue
        for method, operation in item.fields():
            if method in METHODS:
                _operation(conversion, root, name, path, method, item, operation, used)
            elif method == "trace":
                operation.left("templates have no method TRACE")
    description = root.at("info", "description")
    body: dict[str, Any] = {"type": "http", "allowed_methods": sorted(used) or ["GET"]}
    if title is not None or description is not None:
        words = [node.carry() for node in (title, description) if node is not None and isinstance(node.value, str)]
        body["description"] = prose(": ".join(words), description)
    body |= {"base_url": _base_url(root, name), **_auth(conversion, root, name)}
    conversion.add("connector", name, body, root.get("servers") or root.get("info") or version)
    for key, reason in _TOP.items():
        if (node := root.get(key)) is not None:
            node.left_open(reason)


def _operation(
    conversion: Conversion,
    root: Node,
    connector: str,
    path: str,
    method: str,
    item: Node,
    operation: Node,
    used: set[str],
) -> None:
    try:
        if operation.get("servers") is not None or item.get("servers") is not None:
            raise NotHere("it has a server of its own, and its connector has another")
        body, words = openapi_operation.template(root, path, method, item, operation)
    except NotHere as error:
        operation.left(f"the operation can't be written: {error}")
        return
    own = operation.get("operationId")
    wanted = str(own.carry()) if own is not None else f"{method} {path}"
    used.add(method.upper())
    if words:
        body["description"] = prose(words, operation)
    conversion.add("template", conversion.name("template", wanted, own), {"connector": connector, **body}, operation)
    for key, reason in REASONS.items():
        if (node := operation.get(key)) is not None:
            node.left(reason)
    leave_annotations(operation)


def _base_url(root: Node, name: str) -> str:
    servers, nowhere = root.get("servers"), f"https://{name}.invalid"
    first = next(servers.items(), None) if servers is not None else None
    url = first.get("url") if first is not None else None
    if first is None or url is None or not isinstance(url.value, str):
        root.note("no server is named: write `base_url` in place of the one that leads nowhere", nowhere)
        return nowhere
    text = url.value
    for key, one in variables.fields() if (variables := first.get("variables")) is not None else ():
        default = one.get("default")
        if default is not None and f"{{{key}}}" in text:
            text = text.replace(f"{{{key}}}", str(default.carry()))
    parts = urlsplit(text) if not re.search(r"[\[\]\s]", text) else urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or "{" in text:
        url.refer("the address is not whole, or holds a user: write it in place of the one that leads nowhere", nowhere)
        return nowhere
    url.carry()
    return text.partition("?")[0].partition("#")[0].rstrip("/")


def _auth(conversion: Conversion, root: Node, name: str) -> dict[str, Any]:
    """Return the first scheme of `security`, or of all that are there."""
    schemes = root.at("components", "securitySchemes")
    if schemes is None or not schemes.value:
        root.note("no way to authenticate is described: the connector sends no credential until it has `auth`")
        return {}
    wanted = (
        next((key for one in security.items() for key, _ in one.fields()), None)
        if (security := root.get("security"))
        else None
    )
    key, scheme = next(((key, one) for key, one in schemes.fields() if wanted in (None, key)), ("", None))
    if scheme is None:
        return {}
    try:
        scheme = resolved(root, scheme)
    except NotHere as error:
        scheme.left(str(error))
        return {}
    found = _scheme(conversion, scheme, f"{name}_{key}")
    if found is None:
        scheme.left("a connector can't authenticate this way: write `auth` yourself")
        return {}
    for part in ("type", "scheme", "in", "name", "bearerFormat"):
        if (node := scheme.get(part)) is not None:
            node.carry()
    for other, node in schemes.fields():
        if other != key:
            node.left("a connector authenticates in one way: the first that is asked for")
    if security is not None:
        security.carry()
    scheme.note("put the credential where the reference in `auth` finds it")
    return {"auth": found}


def _scheme(conversion: Conversion, scheme: Node, wanted: str) -> dict[str, Any] | None:
    values = {
        part: str(node.value) for part in ("type", "scheme", "in", "name") if (node := scheme.get(part)) is not None
    }
    kind, own = values.get("type"), conversion.references.named
    if kind == "http" and values.get("scheme", "").lower() == "bearer":
        return {"type": "bearer", "token": own(f"{wanted}_TOKEN")}
    if kind == "http" and values.get("scheme", "").lower() == "basic":
        scheme.note("write the user's name in `auth.username`: it is `set-me` now")
        return {"type": "basic", "username": "set-me", "password": own(f"{wanted}_PASSWORD")}
    if kind == "apiKey" and values.get("in") in {"header", "query"} and values.get("name"):
        return {"type": "api_key", "header": values["name"], "in": values["in"], "key": own(f"{wanted}_KEY")}
    url = scheme.at("flows", "clientCredentials", "tokenUrl")
    if kind == "oauth2" and url is not None and isinstance(url.value, str):
        scopes = scheme.at("flows", "clientCredentials", "scopes")
        scheme.note("write the client's id in `auth.client_id`: it is `set-me` now")
        names = sorted(scopes.carry()) if scopes is not None and isinstance(scopes.value, dict) else []
        secret = own(f"{wanted}_CLIENT_SECRET")
        return {
            "type": "oauth2",
            "token_url": url.carry(),
            "client_id": "set-me",
            "client_secret": secret,
            "scopes": names,
        }
    return None
