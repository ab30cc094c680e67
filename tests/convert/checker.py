"""An original held against the manifests that were made of it: what may be done with them and not with it.

Written apart from the converter: it imports nothing of it, and reads originals by its own few rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from reconciler.kinds.parse import parse
from reconciler.kinds.schema_engine import schema_fault
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.address import Address
from reconciler.model.resource import resource_of
from reconciler.model.target import Bound, Identity

Bodies = dict[str, dict[str, Any]]
PROBES: tuple[Any, ...] = (
    0, 1, 2, 5, -1, 10**6, 2**53 - 1, 0.5, "", "a", "b", "ab", "abc", "x-abc-y", "123", "a123b", "internal", "zz", "A B",
    "x" * 300, True, False, [], ["a"], ["a", "a"], ["a", "b", "c", "d"], [1], [0], {"a": 1}, {"id": 1}, {"name": "a"},
    {"name": ""}, {"name": "a", "id": 1}, {"name": "a", "n": 3}, {"name": "a", "n": 99}, {"n": 1}, {"more": 1},
)  # fmt: skip
METHODS = ("get", "head", "post", "put", "patch", "delete")


class Difference(NamedTuple):
    """Something that the manifests allow, or leave out, and the place of the original that says otherwise."""

    what: str
    path: tuple[Any, ...]


def of_kind(bodies: Bodies, kind: str) -> Bodies:
    return {name.partition("/")[2]: body for name, body in bodies.items() if name.startswith(f"{kind}/")}


def is_off(body: dict[str, Any]) -> bool:
    return body.get("runtime") is False or body.get("enabled") is False


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def differences(format: str, documents: list[Any], bodies: Bodies) -> list[Difference]:
    return [*CHECKERS[format](documents, bodies)]


# values


def fits(schema: Any, value: Any, root: Any = None) -> bool:
    """Whether an original schema allows a value, by the few rules that are needed here."""
    if isinstance(schema, bool):
        return schema
    while "$ref" in schema:
        schema = pointed(root, schema["$ref"])
    kinds = {
        "string": str, "integer": int, "number": int | float, "boolean": bool, "array": list, "object": dict,
    }  # fmt: skip
    kind = schema.get("type")
    if kind in kinds and (
        not isinstance(value, kinds[kind]) or (kind in ("integer", "number") and isinstance(value, bool))
    ):
        return bool(schema.get("nullable")) and value is None
    if "enum" in schema and str(value) not in {str(one) for one in schema["enum"]}:
        return False
    if isinstance(value, str):
        pattern = schema.get("pattern")
        bounded = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
        return bounded and (pattern is None or re.search(pattern, value, re.ASCII) is not None)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _in_range(schema, value)
    if isinstance(value, list):
        many = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
        return many and all(fits(schema.get("items", True), one, root) for one in value)
    if isinstance(value, dict):
        return _fits_map(schema, value, root)
    return True


def _in_range(schema: Any, value: float) -> bool:
    low, high = schema.get("minimum"), schema.get("maximum")
    is_low = low is not None and (value < low or (schema.get("exclusiveMinimum") is True and value == low))
    is_high = high is not None and (value > high or (schema.get("exclusiveMaximum") is True and value == high))
    divides = value % schema["multipleOf"] == 0 if "multipleOf" in schema else True
    return not is_low and not is_high and divides


def _fits_map(schema: Any, value: dict[str, Any], root: Any) -> bool:
    properties = schema.get("properties", {})
    hidden = {name for name, one in properties.items() if isinstance(one, dict) and one.get("readOnly")}
    if not {*schema.get("required", ())} - hidden <= value.keys() or hidden & value.keys():
        return False
    more = schema.get("additionalProperties", True)
    return all(fits(properties.get(name, more), one, root) for name, one in value.items())


def pointed(root: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        root = root[step.replace("~1", "/").replace("~0", "~")]
    return root


def resolved(root: Any, value: Any) -> Any:
    while "$ref" in value:
        value = pointed(root, value["$ref"])
    return value


def takes(body: dict[str, Any], kind: str = "template") -> Callable[[dict[str, Any]], bool]:
    """Return whether a template takes some arguments, as the runtime judges them."""
    spec = parse(KINDS[kind], body, Address("a", kind, "x"))
    assert not isinstance(spec, tuple)
    inputs = ParameterInputs(resource_of(Address("a", kind, "x"), spec).body)
    claims = dict.fromkeys(inputs.claims, "a")
    return lambda given: isinstance(inputs.bind(given, Identity("x", claims)), Bound)


def widened(body: dict[str, Any], name: str, allows: Callable[[Any], bool]) -> bool:
    """Whether a template's parameter takes a probe that the original doesn't allow."""
    parameter = body["parameters"][name]
    alone = takes({"type": "sql", "datasource": "d", "sql": f"SELECT :{name}", "parameters": {name: parameter}})
    return any(alone({name: value}) and not allows(value) for value in PROBES)


# OpenAPI


def _openapi(documents: list[Any], bodies: Bodies) -> Iterator[Difference]:
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
