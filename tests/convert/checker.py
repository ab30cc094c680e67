"""An original held against the manifests that were made of it: what may be done with them and not with it.

Written apart from the converter: it imports nothing of it, and reads originals by its own few rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.convert.checker_openapi import check as _openapi
from tests.convert.checker_openapi import snake
from tests.convert.checker_values import Bodies, Difference, is_off, of_kind, slug, widened


def differences(format: str, documents: list[Any], bodies: Bodies) -> list[Difference]:
    return [*CHECKERS[format](documents, bodies)]


# Toolbox


def _toolbox(documents: list[Any], bodies: Bodies) -> Iterator[Difference]:
    root = documents[0]
    templates, connectors = of_kind(bodies, "template"), of_kind(bodies, "connector")
    for name, source in root.get("sources", {}).items():
        connector = connectors.get(slug(name))
        if connector is None:
            yield Difference("missing", ("sources", name))
            continue
        if isinstance(source.get("queryParams"), str):  # a variable: a part of the connection string
            source = {**source, "queryParams": {}}
        mode = (source.get("queryParams") or {}).get("sslmode")
        if mode is not None and connector.get("ssl") != mode and not is_off(connector) and mode != "require":
            yield Difference("another encryption", ("sources", name))
        others = {*(source.get("queryParams") or {})} - {"sslmode", "application_name"}
        if (others or source.get("allowedDatasets") or source.get("useClientOAuth")) and not is_off(connector):
            yield Difference("a limit of the source", ("sources", name))
    for name, tool in root.get("tools", {}).items():
        body, place = templates.get(slug(name)), ("tools", name)
        if body is None:
            yield Difference("missing", place)
            continue
        if tool.get("authRequired"):
            yield Difference("a login is no longer needed", place)
        if blank(body["sql"]) != blank(tool["statement"]):
            yield Difference("another statement", place)
        for index, one in enumerate(tool.get("parameters", [])):
            own = body["parameters"].get(snake(one["name"]))
            here = (*place, "parameters", index)
            if own is None:
                yield Difference("a parameter is missing", here)
            elif "authServices" in one:
                if own.get("from") != f"claims.{one['authServices'][0]['field']}":
                    yield Difference("a value no longer comes from the login", here)
            elif widened(body, snake(one["name"]), lambda value, one=one: allowed(one, value)):
                yield Difference("a parameter takes more", here)


def blank(sql: str) -> str:
    return " ".join(re.sub(r"\$\d+|\?|:[a-z_]+", "?", sql).rstrip("; \n").split())


def allowed(parameter: Any, value: Any) -> bool:
    kinds = {"string": str, "integer": int, "float": int | float, "boolean": bool, "array": list}
    kind = parameter["type"]
    if not isinstance(value, kinds[kind]) or (kind in ("integer", "float") and isinstance(value, bool)):
        return False
    if kind == "array":
        return all(allowed({"type": "string", **parameter["items"]}, one) for one in value)
    listed = parameter.get("allowedValues")
    fine = listed is None or any(
        re.search(one, value) is not None if isinstance(one, str) and isinstance(value, str) else one == value
        for one in listed
    )
    refused = any(isinstance(value, str) and re.search(str(one), value) for one in parameter.get("excludedValues", ()))
    return (
        fine
        and not refused
        and parameter.get("minValue", -(10**18))
        <= (value if isinstance(value, int | float) else 0)
        <= parameter.get("maxValue", 10**18)
    )


# MCP


def _mcp(documents: list[Any], bodies: Bodies) -> Iterator[Difference]:
    connectors = of_kind(bodies, "connector")
    for name, server in documents[0].get("mcpServers", {}).items():
        connector, place = connectors.get(slug(name)), ("mcpServers", name)
        if connector is None:
            yield Difference("missing", place)
            continue
        if is_off(connector):
            continue
        if server.get("disabled") is True or server.get("enabled") is False:
            yield Difference("a server that was off", place)
        if "url" in server and connector["url"] != server["url"]:
            yield Difference("another address", place)
        if not {*server.get("headers", {})} <= {*connector.get("headers", {}), *_auth_headers(connector)}:
            yield Difference("a header", place)
        for index, argument in enumerate(server.get("args", ())):
            if argument not in connector.get("args", ()):
                yield Difference("an argument", (*place, "args", index))
        if not {*server.get("env", {})} <= {*connector.get("env", {})}:
            yield Difference("a variable", place)
        listed = server.get("includeTools")
        offered = {*connector.get("tools", {})}
        if (listed is not None and not offered <= {*listed}) or offered & {*server.get("excludeTools", ())}:
            yield Difference("a tool", place)
        if server.get("cwd") is not None:
            yield Difference("a folder", place)


def _auth_headers(connector: Any) -> set[str]:
    auth = connector.get("auth") or {}
    return {"Authorization"} if auth.get("type") == "bearer" else {auth.get("header", "X-API-Key")} if auth else set()


def registry_differences(document: Any, bodies: Bodies) -> Iterator[Difference]:
    """Hold a server of the Docker registry against its connector."""
    connector = of_kind(bodies, "connector").get(slug(document["name"]))
    if connector is None:
        yield Difference("missing", ())
        return
    run, config = document.get("run", {}), document.get("config", {})
    if "remote" in document:
        if (
            connector["url"] != document["remote"]["url"]
            and not connector["url"].endswith(".invalid")
            and not is_off(connector)
        ):
            yield Difference("another address", ("remote", "url"))
        return
    if document["image"] not in connector["args"]:
        yield Difference("another image", ("image",))
    if run.get("disableNetwork") and "--network" not in connector["args"]:
        yield Difference("the network", ("run", "disableNetwork"))
    names = (
        {one["env"] for one in config.get("secrets", ())}
        | {one["name"] for one in config.get("env", ())}
        | {*run.get("env", {})}
    )
    if not names <= {*connector.get("env", {})}:
        yield Difference("a variable", ("config",))
    if run.get("allowHosts") and not is_off(connector):
        yield Difference("hosts", ("run", "allowHosts"))
    for index, one in enumerate(run.get("command", ())):
        if one not in connector["args"] and "{{" not in one:
            yield Difference("an argument", ("run", "command", index))


def in_maps(documents: list[Any]) -> dict[str, Any]:
    """Return Toolbox's newer documents as the maps of its older form."""
    root: dict[str, Any] = {"sources": {}, "tools": {}}
    for one in documents:
        if one.get("kind") in {"source", "tool"}:
            root[f"{one['kind']}s"][one["name"]] = {**one, "parameters": one.get("parameters") or []}
    return root


# models


def _litellm(documents: list[Any], bodies: Bodies) -> Iterator[Difference]:
    root = documents[0]
    models = of_kind(bodies, "integration")
    limits = of_kind(bodies, "limit")
    everywhere = "max_budget" in root.get("litellm_settings", {}) and "budget_duration" not in root["litellm_settings"]
    everywhere = everywhere or bool(root.get("general_settings", {}).get("allowed_ips"))
    for index, entry in enumerate(root["model_list"]):
        params, place = entry["litellm_params"], ("model_list", index)
        plain = params["model"].rpartition("/")[2]
        found = [
            (name, body)
            for name, body in models.items()
            if plain in (*body.get("models", ()), *body.get("config", {}).get("deployments", {}).values())
        ]
        wildcards = {one["litellm_params"]["model"].partition("/")[0] for one in root["model_list"] if "*" in str(one)}
        if not found and params["model"].partition("/")[0] in wildcards | {"*"}:
            found = [(name, body) for name, body in models.items() if not body.get("models")]
        if not found:
            yield Difference("missing", place)
            continue
        is_limited = (
            "region_name" in params
            or "guardrails" in params
            or ("max_budget" in params and "budget_duration" not in params)
        )
        is_other = params["model"].startswith("vertex_ai") or "client_secret" in params
        if (everywhere or is_limited or is_other) and not any(is_off(body) for _name, body in found):
            yield Difference("a limit", place)
        if "rpm" in params:
            targets = {f"integration/{name}" for name, _body in found}
            if not any(one["target"] in targets and one.get("requests") == params["rpm"] for one in limits.values()):
                yield Difference("a limit", place)


def _gateway(
    rules: Callable[[list[Any]], Iterator[tuple[str, bool]]],
) -> Callable[[list[Any], Bodies], Iterator[Difference]]:
    """Return a checker of gateways: by the name of each model or server, whether a rule governs it."""

    def check(documents: list[Any], bodies: Bodies) -> Iterator[Difference]:
        found = {**of_kind(bodies, "integration"), **of_kind(bodies, "connector")}
        for name, is_governed in rules(documents):
            if name not in found:
                yield Difference("missing", ())
            elif is_governed and not is_off(found[name]):
                yield Difference("a rule of the gateway", ())

    return check


def _agentgateway(documents: list[Any]) -> Iterator[tuple[str, bool]]:
    for listener in documents[0]["binds"][0]["listeners"]:
        for route in listener["routes"]:
            rules = {*route.get("policies", {}), *listener.get("policies", {})} - {"cors", "backendAuth", "retry"}
            for backend in route["backends"]:
                own = rules | ({*backend.get("policies", {})} - {"cors", "backendAuth", "retry"})
                yield from ((slug(one["name"]), bool(own)) for one in backend.get("mcp", {}).get("targets", ()))
                if "ai" in backend:
                    yield slug(backend["ai"]["name"]), bool(own)


def _active(owner: Any) -> set[str]:
    names = {one["name"] for one in owner.get("plugins", ()) if one.get("enabled") is not False}
    return names - {"ai-proxy", "prometheus", "cors"}


def _deck(documents: list[Any]) -> Iterator[tuple[str, bool]]:
    for service in documents[0]["services"]:
        for route in service["routes"]:
            caps = any(
                one["config"].get("model", {}).get("options", {}).get("max_tokens")
                for one in route["plugins"]
                if one["name"] == "ai-proxy"
            )
            off = any(one.get("enabled") is False for one in route["plugins"] if one["name"] == "ai-proxy")
            yield slug(route["name"]), bool(_active(documents[0]) | _active(service) | _active(route)) or caps or off


def _envoy(documents: list[Any]) -> Iterator[tuple[str, bool]]:
    governed = any(one["kind"].endswith("TrafficPolicy") for one in documents)
    routes = [one for one in documents if one["kind"] == "AIGatewayRoute"]
    used = {
        one["name"]: rule["matches"][0]["headers"][0]["type"]
        for route in routes
        for rule in route["spec"]["rules"]
        for one in rule["backendRefs"]
    }
    for one in documents:
        if one["kind"] == "AIServiceBackend":
            name = one["metadata"]["name"]
            yield slug(name), governed or used.get(name) != "Exact"


CHECKERS: dict[str, Callable[[list[Any], Bodies], Iterator[Difference]]] = {
    "openapi": _openapi,
    "toolbox": _toolbox,
    "mcp": _mcp,
    "litellm": _litellm,
    "agentgateway": _gateway(_agentgateway),
    "deck": _gateway(_deck),
    "envoy": _gateway(_envoy),
}
