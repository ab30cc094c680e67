"""Documents of each format, made up from a seed: fields that matter, in combinations that nobody wrote by hand."""

from __future__ import annotations

from random import Random
from typing import Any

SECRET = "sk-live-4f9A0c77d2E1b6"
SCHEMAS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "enum": ["a", "b"]},
    {"type": "string", "pattern": "[0-9]{3}"},
    {"type": "string", "pattern": "^a"},
    {"type": "string", "pattern": "(?!a)b"},
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": "integer", "minimum": 1, "maximum": 5},
    {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
    {"type": "integer", "multipleOf": 5},
    {"type": "integer", "default": "50"},
    {"type": "number", "minimum": 0.5},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 3},
    {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
    {"type": "object"},
    {"$ref": "#/components/schemas/Name"},
]
BODIES: list[Any] = [
    {},
    {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/components/schemas/Name"}}},
    {
        "type": "object",
        "properties": {"id": {"type": "integer", "readOnly": True}, "n": {"type": "integer", "maximum": 9}},
    },
    {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string", "minLength": 1}}},
    {"type": "array", "items": {"type": "integer", "minimum": 1}},
    {"$ref": "elsewhere.json#/x"},
]
SERVERS = ["https://api.example.com/v1", "https://other.example.com", "https://api.example.com/v1?api-version=1"]
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "app": {"type": "apiKey", "in": "header", "name": "X-App"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "digest": {"type": "http", "scheme": "digest"},
}
SECURITY: list[Any] = [
    [],
    [{}],
    [{"key": []}],
    [{"key": [], "app": []}],
    [{"query": []}],
    [{"digest": []}],
    [{"digest": []}, {"bearer": []}],
]


def some(random: Random, choices: dict[str, Any]) -> dict[str, Any]:
    """Return some of the fields, each with one of its values."""
    return {key: random.choice(values) for key, values in choices.items() if random.random() < 0.3}


def _openapi(random: Random) -> list[Any]:
    paths: dict[str, Any] = {}
    for number in range(random.randrange(1, 5)):
        operation: dict[str, Any] = {"operationId": f"op{number}", **some(random, {"security": SECURITY})}
        if random.random() < 0.2:
            operation["servers"] = [{"url": random.choice(SERVERS)}]
        names = random.sample(["q", "pageToken", "Limit", "sort-key", "hide_secret", "X-Trace"], random.randrange(4))
        operation["parameters"] = [_parameter(random, name) for name in names]
        method = random.choice(["get", "post", "put", "patch", "delete"])
        if method in {"post", "put", "patch"} and random.random() < 0.8:
            media = random.choice(["application/json", "application/x-www-form-urlencoded"])
            operation["requestBody"] = {"required": True, "content": {media: {"schema": random.choice(BODIES)}}}
        path = f"/p{number}"
        if random.random() < 0.4:
            path += "/{orderId}"
            schema = random.choice(SCHEMAS[:8])
            operation["parameters"].append({"name": "orderId", "in": "path", "required": True, "schema": schema})
        paths[path] = {method: operation}
    components = {"schemas": {"Name": {"type": "string", "maxLength": 20, "minLength": 1}}, "securitySchemes": SCHEMES}
    top = {"servers": [{"url": random.choice(SERVERS)}], "security": random.choice(SECURITY)}
    info = {"title": "T", "version": "1", "description": SECRET}
    return [{"openapi": "3.0.3", "info": info, "paths": paths, "components": components, **top}]


def _parameter(random: Random, name: str) -> dict[str, Any]:
    where = "header" if name.startswith("X-") else "query"
    made = {"name": name, "in": where, "required": random.random() < 0.4, "schema": random.choice(SCHEMAS)}
    return made | ({"explode": False} if random.random() < 0.2 else {})


def _toolbox(random: Random) -> list[Any]:
    source = {
        "kind": random.choice(["postgres", "cockroachdb"]), "host": "db", "database": "d", "user": "u", "password": SECRET,
        **some(random, {"queryParams": [{"sslmode": "verify-full"}, {"sslmode": "disable"}, {"search_path": "x"}], "useClientOAuth": [True]}),
    }  # fmt: skip
    tools = {}
    for number in range(random.randrange(1, 5)):
        kind = random.choice(["string", "integer", "float", "boolean", "array"])
        bounds = {
            "string": {
                "allowedValues": [["a", "b"], ["^a$"], ["a|b"]],
                "excludedValues": [["internal"]],
                "authServices": [[{"name": "g", "field": "sub"}]],
            },
            "integer": {"minValue": [1], "maxValue": [5], "allowedValues": [[1, 2]]},
            "float": {"minValue": [0.5]},
            "boolean": {},
            "array": {},
        }[kind]
        one = {"name": random.choice(["x", "Max"]), "type": kind, "description": "d", **some(random, bounds)}
        if kind == "array":
            one["items"] = {
                "name": "i",
                "type": "string",
                "description": "d",
                **some(random, {"allowedValues": [["a"]], "excludedValues": [["a"]]}),
            }
        tool = {
            "kind": "postgres-sql",
            "source": "db",
            "description": "d",
            "parameters": [one],
            **some(random, {"authRequired": [["g"]]}),
        }
        tools[f"t{number}"] = {
            **tool,
            "statement": random.choice(
                ["SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE b = $1;", "DELETE FROM t WHERE b = $1"]
            ),
        }
    return [{"sources": {"db": source}, "tools": tools}]


def _mcp(random: Random) -> list[Any]:
    servers: dict[str, Any] = {}
    common = {
        "disabled": [True, False],
        "enabled": [True, False],
        "includeTools": [["a", "b"]],
        "excludeTools": [["a"]],
        "autoApprove": [["a", "c"]],
    }
    for number in range(random.randrange(1, 5)):
        if random.random() < 0.5:
            urls = [
                "https://a.example/mcp",
                "https://a.example/mcp?read_only=true",
                "https://a.example/mcp?key=" + SECRET,
            ]
            server = {
                "url": random.choice(urls),
                **some(random, {"headers": [{"X-Readonly": "true"}, {"Authorization": f"Bearer {SECRET}"}]}),
            }
        else:
            arguments = [["-y", "x"], ["x", "--read-only"], ["x", "--level=${input:l}"], ["x", "--token", SECRET]]
            server = {
                "command": "npx",
                "args": random.choice(arguments),
                **some(random, {"env": [{"A": "1"}, {"TOKEN": SECRET}, {"A": ""}], "cwd": ["/srv"]}),
            }
        servers[f"s{number}"] = {**server, **some(random, common)}
    return [{"mcpServers": servers}]


def _litellm(random: Random) -> list[Any]:
    entries = []
    for number in range(random.randrange(1, 4)):
        model = random.choice(["openai", "anthropic", "vertex_ai", "openai/responses", "mistral"])
        params = {"model": f"{model}/m{number}", "api_key": random.choice(["os.environ/K", SECRET])}
        params |= some(
            random,
            {"rpm": [5], "region_name": ["eu"], "max_budget": [1], "budget_duration": ["30d"], "guardrails": [["g"]]},
        )
        entries.append({"model_name": f"m{number}", "litellm_params": params})
    settings = some(random, {"max_budget": [10], "budget_duration": ["30d"]}) if random.random() < 0.3 else {}
    return [
        {
            "model_list": entries,
            "litellm_settings": settings,
            "general_settings": some(random, {"allowed_ips": [["10.0.0.1"]]}),
        }
    ]


def _agentgateway(random: Random) -> list[Any]:
    policies = {
        "cors": [{"allowOrigins": ["*"]}],
        "jwtAuth": [{"issuer": "x"}],
        "extAuthz": [{"host": "x"}],
        "localRateLimit": [[{"maxTokens": 1}]],
    }
    routes = []
    for number in range(random.randrange(1, 4)):
        backend: dict[str, Any] = {"mcp": {"targets": [{"name": f"s{number}", "mcp": {"host": "a.example"}}]}}
        if random.random() < 0.5:
            backend = {"ai": {"name": f"m{number}", "provider": {"openAI": {"model": "gpt"}}}}
        route = {"policies": {**some(random, policies), "backendAuth": {"key": SECRET}}}
        routes.append({**route, "backends": [{**backend, "policies": some(random, policies)}]})
    return [{"binds": [{"port": 1, "listeners": [{"routes": routes, "policies": {}}]}]}]


def _plugin(random: Random) -> list[Any]:
    others = ["acl", "prometheus", "ai-prompt-guard", "key-auth", "cors"]
    return [{"name": random.choice(others), **some(random, {"enabled": [False]})}] if random.random() < 0.3 else []


def _deck(random: Random) -> list[Any]:
    services = []
    for number in range(random.randrange(1, 3)):
        model = {
            "provider": random.choice(["openai", "mistral"]),
            "name": "m",
            **some(random, {"options": [{"max_tokens": 5}, {}]}),
        }
        proxy = {
            "name": "ai-proxy",
            "config": {"auth": {"header_name": "Authorization", "header_value": f"Bearer {SECRET}"}, "model": model},
        }
        routes = [
            {"name": f"r{number}", "plugins": [{**proxy, **some(random, {"enabled": [False]})}, *_plugin(random)]}
        ]
        services.append({"name": f"s{number}", "routes": routes, "plugins": _plugin(random)})
    return [{"_format_version": "3.0", "services": services, "plugins": _plugin(random)}]


def _envoy(random: Random) -> list[Any]:
    made: list[Any] = []
    own, gate = "aigateway.envoyproxy.io/v1alpha1", "gateway.envoyproxy.io/v1alpha1"
    for number in range(random.randrange(1, 4)):
        name = f"b{number}"
        match = {"type": random.choice(["Exact", "Exact", "RegularExpression"]), "name": "x-ai-eg-model", "value": "m"}
        rule = {"matches": [{"headers": [match]}], "backendRefs": [{"name": name}]}
        made.append(
            {
                "apiVersion": own,
                "kind": "AIGatewayRoute",
                "metadata": {"name": f"r{number}"},
                "spec": {"rules": [rule] if random.random() < 0.8 else []},
            }
        )
        made.append(
            {
                "apiVersion": own,
                "kind": "AIServiceBackend",
                "metadata": {"name": name},
                "spec": {"schema": {"name": "OpenAI"}, "backendRef": {"name": name}},
            }
        )
        made.append(
            {
                "apiVersion": gate,
                "kind": "Backend",
                "metadata": {"name": name},
                "spec": {"endpoints": [{"fqdn": {"hostname": "a.example", "port": 443}}]},
            }
        )
        target = {"targetRefs": [{"name": name}], "type": "APIKey", "apiKey": {"secretRef": {"name": "k"}}}
        made.append(
            {"apiVersion": own, "kind": "BackendSecurityPolicy", "metadata": {"name": f"p{number}"}, "spec": target}
        )
    if random.random() < 0.2:
        made.append(
            {"apiVersion": gate, "kind": "BackendTrafficPolicy", "metadata": {"name": "t"}, "spec": {"rateLimit": {}}}
        )
    return made


GENERATORS = {
    "openapi": _openapi, "toolbox": _toolbox, "mcp": _mcp, "litellm": _litellm, "agentgateway": _agentgateway, "deck": _deck,
    "envoy": _envoy,
}  # fmt: skip


def documents(format: str, seed: int) -> list[Any]:
    """Return the documents of one input."""
    return GENERATORS[format](Random(f"{format} {seed}"))
