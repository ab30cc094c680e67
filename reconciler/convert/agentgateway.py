"""agentgateway's configuration turned into connectors of type `mcp` and integrations.

Source: `binds`, `listeners`, `routes` and `backends` of agentgateway's config.yaml.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.convert import reach
from reconciler.convert.arguments import line_of
from reconciler.convert.conversion import Conversion, NotOfThisFormat
from reconciler.convert.ledger import Node
from reconciler.convert.mcp import PIN
from reconciler.convert.models import Model, address_of, judge_rules, write
from reconciler.convert.restrictions import Restriction

_HARMLESS = frozenset({"cors", "backendAuth", "backendTLS", "retry", "timeout", "urlRewrite", "requestMirror", "a2a"})
_OWN_TOOL = re.compile(r"\s*mcp\.tool\.name\s*==\s*[\"']([A-Za-z0-9_./-]+)[\"']\s*\Z")
_PROVIDERS = {
    "openAI": "openai", "anthropic": "anthropic", "gemini": "gemini", "vertex": "gemini", "bedrock": "bedrock",
    "azureOpenAI": "azure_openai",
}  # fmt: skip
_CONFIG = {
    "bedrock": {"region": "region"},
    "vertex": {"projectId": "project", "region": "location"},
    "azureOpenAI": {"apiVersion": "api_version"},
}
RESTRICTIONS = (
    Restriction("policies.mcpAuthorization", "it says which tools may be called", "`tools`", judged=True),
    Restriction("policies.jwtAuth, extAuthz, localRateLimit, ai, …", "rules of a route or a backend", judged=True),
    Restriction("stdio.args", "arguments may limit the server", "`args`", judged=True),
    Restriction("stdio.env", "variables may limit the server", "`env`"),
    Restriction("guardrailIdentifier", "a guardrail judges every request"),
    Restriction("overrides", "fields of every request are fixed"),
)


def convert(conversion: Conversion) -> None:
    """Convert a gateway's configuration. Raises NotOfThisFormat."""
    root = conversion.documents[0] if conversion.documents else None
    if root is None or root.get("binds") is None:
        raise NotOfThisFormat("expected `binds`, a list", (0,))
    for bind in root.each("binds"):
        for listener in bind.each("listeners"):
            rules = judge_rules(listener.get("policies"), _HARMLESS)
            for route in listener.each("routes"):
                _route(conversion, route, rules)
        bind.left_open("where the gateway listens, and which requests it routes, is no configuration here")


def _route(conversion: Conversion, route: Node, rules: tuple[Node, ...]) -> None:
    policies = route.get("policies")
    tools = _tools(policies.get("mcpAuthorization") if policies is not None else None)
    known = _HARMLESS | ({"mcpAuthorization"} if tools is not None else frozenset())
    rules = (*rules, *judge_rules(policies, known))
    for backend in route.each("backends"):
        own = judge_rules(backend.get("policies"), _HARMLESS)
        auth = backend.at("policies", "backendAuth") or (policies.get("backendAuth") if policies is not None else None)
        for target in backend.each("mcp", "targets"):
            _server(conversion, target, tools or {}, (*rules, *own))
        model = backend.get("ai")
        if model is not None:
            _model(conversion, model, auth, (*rules, *own))


def _tools(node: Node | None) -> dict[str, Any] | None:
    """Return the tools that rules allow by their names; None for rules that say anything else."""
    rules = node.each("rules") if node is not None else []
    found = [_OWN_TOOL.match(str(rule.value)) for rule in rules]
    if not rules or not all(found):
        return None
    for rule in rules:
        rule.carry()
    return {one[1]: {} for one in found if one is not None}


def _server(conversion: Conversion, target: Node, tools: dict[str, Any], rules: tuple[Node, ...]) -> None:
    wanted = target.text("name") or "server"
    stdio, remote = target.get("stdio"), target.get("mcp") or target.get("sse")
    if stdio is None and remote is None:
        target.left("it is no server of MCP that a connector reaches")
        return
    name = conversion.name("connector", wanted, target.get("name"))
    body: dict[str, Any] = {"type": "mcp", "tools": tools}
    if stdio is not None:
        env = reach.environment(conversion, name, stdio.get("env"))
        line = line_of(conversion, name, stdio.get("cmd"), stdio.get("args"), env)
        body |= {"transport": "stdio", "command": line.command, "args": line.args, "env": line.env}
    elif remote is not None:
        body["transport"] = "sse" if target.get("sse") is not None else "streamable_http"
        body["url"] = _url(conversion, name, remote)
    rules = (*rules, *judge_rules(target.get("policies"), _HARMLESS - {"backendAuth"}))
    conversion.add("connector", name, body, target, governed_by=rules)
    target.note(f"no tool may be called until it is listed in `tools` and pinned; {PIN}")


def _url(conversion: Conversion, name: str, remote: Node) -> str:
    host, port, path = remote.get("host"), remote.get("port"), remote.get("path")
    if host is None or not isinstance(host.value, str):
        remote.note("no host is named: write `url` in place of the one that leads nowhere")
        return f"https://{name}.invalid"
    if "://" in host.value:
        return reach.address_without_query(conversion, name, host)
    number = port.carry() if port is not None else 443
    scheme = "https" if str(number) in ("443", "8443") else "http"
    text = f"{scheme}://{host.value}:{number}{str(path.carry()) if path is not None else '/mcp'}"
    return reach.address_without_query(conversion, name, Node(text, host.path, host.ledger))


def _model(conversion: Conversion, node: Node, auth: Node | None, rules: tuple[Node, ...]) -> None:
    groups = [one for group in node.each("groups") for one in group.each("providers")]
    for own in groups or [node]:
        provider = own.get("provider")
        word, options = next(iter(provider.fields()), ("", None)) if provider is not None else ("", None)
        kind = _PROVIDERS.get(word)
        if kind is None or options is None:
            own.left("its provider is none that is known here")
            continue
        wanted = own.text("name") or word
        name = conversion.name("integration", wanted, own.get("name"))
        model = Model(kind)
        if (one := options.get("model")) is not None and isinstance(one.value, str):
            model.models = [one.carry()]
        for theirs, ours in _CONFIG.get(word, {}).items():
            if (one := options.get(theirs)) is not None:
                model.config[ours] = one.carry()
        _address(conversion, name, own, options, model)
        _auth(conversion, name, own.at("policies", "backendAuth") or auth, model)
        if word in {"vertex", "bedrock"}:
            model.why_off = "it authenticates by a service account or a signature, and a credential is an API key here"
        governed = (*rules, *judge_rules(own.get("policies"), _HARMLESS))
        write(conversion, name, model, own, governed)
        for key in ("guardrailIdentifier", "guardrailVersion"):
            if (one := options.get(key)) is not None:
                one.restricts("a guardrail judges every request, and it can't be carried over")


def _address(conversion: Conversion, name: str, own: Node, options: Node, model: Model) -> None:
    host = own.get("hostOverride") or options.get("host")
    if host is not None and isinstance(host.value, str):
        text = host.value if "://" in host.value else f"https://{host.value}"
        address_of(conversion, name, Node(text, host.path, host.ledger), model)


def _auth(conversion: Conversion, name: str, node: Node | None, model: Model) -> None:
    key = node.get("key") if node is not None else None
    if key is not None and isinstance(key.value, str):
        model.credential = conversion.reference(key, name, "API_KEY")
    elif node is not None:
        model.why_off = "it authenticates by something else than an API key"
        node.left("a credential is a reference to an API key here")
