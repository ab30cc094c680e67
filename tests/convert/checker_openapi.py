"""An OpenAPI description held against the templates and connectors that were made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from reconciler.kinds.schema_engine import schema_fault
from tests.convert.checker_values import METHODS, PROBES, Bodies, Difference, fits, of_kind, resolved, widened

# OpenAPI


def check(documents: list[Any], bodies: Bodies) -> Iterator[Difference]:
    root = documents[0]
    templates = {(body["method"], shape(body["path"])): body for body in of_kind(bodies, "template").values()}
    connectors = of_kind(bodies, "connector")
    for path, item in root["paths"].items():
        for method in METHODS:
            operation = item.get(method)
            place = ("paths", path, method)
            body = templates.get((method.upper(), shape(path.partition("?")[0])))
            if operation is None:
                continue
            if body is None:
                yield Difference("missing", place)
                continue
            connector = connectors[body["connector"]]
            yield from _where(root, item, operation, body, connector, place)
            yield from _who(root, operation, connector, place)
            yield from _parameters(root, item, operation, body, place)
            yield from _body(root, operation, body, place)


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _where(root: Any, item: Any, operation: Any, body: Any, connector: Any, place: Any) -> Iterator[Difference]:
    servers = operation.get("servers") or item.get("servers") or root.get("servers") or []
    url = servers[0]["url"] if servers else ""
    if url.startswith("http") and connector["base_url"] != url.partition("?")[0].rstrip("/"):
        yield Difference("another address", place)
    for name, value in parse_qsl(url.partition("?")[2]):
        said = body.get("query", {}).get(name)
        if (said["plain"] if isinstance(said, dict) else said) != value:
            yield Difference("the query of the server", place)


def _who(root: Any, operation: Any, connector: Any, place: Any) -> Iterator[Difference]:
    asked = operation.get("security", root.get("security", []))
    schemes = root.get("components", {}).get("securitySchemes", {})
    sent = credentials(connector)
    if not asked or {} in asked:
        if sent and not asked:
            yield Difference("a credential that nobody asks for", place)
        return
    wanted = [{credential(schemes.get(name, {})) for name in one} for one in asked]
    if sent not in wanted:
        yield Difference("another way to authenticate", place)


def credential(scheme: Any) -> str:
    kind = scheme.get("type")
    if kind == "apiKey":
        return f"{scheme['in']} {scheme['name'].lower()}"
    return "header authorization" if kind in {"http", "oauth2"} and scheme.get("scheme") != "digest" else "none"


def credentials(connector: Any) -> set[str]:
    auth = connector.get("auth") or {}
    found = {f"header {name.lower()}" for name in connector.get("headers", {})}
    if auth.get("type") == "api_key":
        found.add(f"{auth.get('in', 'header')} {auth.get('header', 'X-API-Key').lower()}")
    elif auth.get("type") in {"bearer", "basic", "oauth2"}:
        found.add("header authorization")
    return found


def _parameters(root: Any, item: Any, operation: Any, body: Any, place: Any) -> Iterator[Difference]:
    listed = [resolved(root, one) for one in (*item.get("parameters", []), *operation.get("parameters", []))]
    merged = {(one["name"], one["in"]): one for one in listed}
    schemes = root.get("components", {}).get("securitySchemes", {}).values()
    filled = {(one.get("in"), one.get("name")) for one in schemes}
    for index, ((name, where), one) in enumerate(merged.items()):
        here = (*place, "parameters", index)
        if where in {"cookie"} or (where, name) in filled:
            continue
        own = _own_name(body, name, where)
        if own is None or own not in body.get("parameters", {}):
            yield Difference("a parameter is missing", here)
            continue
        parameter = body["parameters"][own]
        is_free = parameter.get("nullable") or "default" in parameter
        if one.get("required") and is_free and "default" not in one["schema"] and not one["schema"].get("nullable"):
            yield Difference("a required parameter may be left out", here)
        if widened(body, own, lambda value, schema=one["schema"]: fits(schema, value, root)):
            yield Difference("a parameter takes more", here)


def _own_name(body: Any, name: str, where: str) -> str | None:
    if where == "path":
        return next(iter([one for one in body.get("parameters", {}) if one == snake(name)]), None)
    said = body.get("query" if where == "query" else "headers", {}).get(name)
    text = said["plain"] if isinstance(said, dict) else said
    return text.strip("{}") if isinstance(text, str) else None


def snake(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def _body(root: Any, operation: Any, body: Any, place: Any) -> Iterator[Difference]:
    request = resolved(root, operation["requestBody"]) if "requestBody" in operation else None
    if request is None:
        if "body" in body:
            yield Difference("a body that nobody asks for", place)
        return
    media = next(iter(request["content"].values()))
    if "body" not in body:
        yield Difference("no body is sent", place)
        return
    for value in PROBES:
        if schema_fault(body["body"], value, "") is None and not fits(media.get("schema", {}), value, root):
            yield Difference("a body may be more", place)
            return
