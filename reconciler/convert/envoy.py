"""Envoy AI Gateway's resources turned into integrations and connectors of type `mcp`.

Source: AIGatewayRoute, AIServiceBackend, BackendSecurityPolicy and MCPRoute of aigateway.envoyproxy.io, and Backend of
gateway.envoyproxy.io.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.convert.conversion import Conversion, NotOfThisFormat
from reconciler.convert.ledger import Node
from reconciler.convert.mcp import PIN
from reconciler.convert.models import Model, write
from reconciler.convert.restrictions import Restriction

_GROUP = "aigateway.envoyproxy.io"
_SCHEMAS = {
    "OpenAI": "openai", "AzureOpenAI": "azure_openai", "AWSBedrock": "bedrock", "AWSAnthropic": "bedrock",
    "GCPVertexAI": "gemini", "GCPAnthropic": "gemini", "Anthropic": "anthropic", "Cohere": "cohere",
}  # fmt: skip
_HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com", "cohere": "api.cohere.com"}
_KEYS = {"APIKey": "apiKey", "AzureAPIKey": "azureAPIKey", "AnthropicAPIKey": "anthropicAPIKey"}
_POLICIES = frozenset({"BackendTrafficPolicy", "SecurityPolicy", "QuotaPolicy", "EnvoyExtensionPolicy"})
_MODEL = "x-ai-eg-model"
RESTRICTIONS = (
    Restriction(
        "AIGatewayRoute: matches of `x-ai-eg-model`", "it lists the models that may be used", "`models`", judged=True
    ),
    Restriction("MCPRoute: toolSelector.include", "it lists the tools that may be called", "`tools`", judged=True),
    Restriction("MCPRoute: toolSelector.includeRegex", "it says which tools may be called", judged=True),
    Restriction("MCPRoute: securityPolicy", "it says who may call", judged=True),
    Restriction(
        "BackendTrafficPolicy, SecurityPolicy, QuotaPolicy", "rules about who may call, and how much", judged=True
    ),
    Restriction("spec.headerMutation", "headers of every request are fixed"),
    Restriction("spec.bodyMutation", "fields of every request are fixed"),
)


def convert(conversion: Conversion) -> None:
    """Convert a gateway's resources. Raises NotOfThisFormat."""
    documents = [one for one in conversion.documents if isinstance(one.value, dict)]
    if not any(_GROUP in one.word("apiVersion") for one in documents):
        raise NotOfThisFormat(f"expected resources of {_GROUP}", (0,))
    rules = tuple(one for one in documents if one.word("kind") in _POLICIES)
    for rule in rules:
        rule.restricts("a rule about who may call, and how much, and no manifest has it")
    for one in _of(documents, "AIServiceBackend"):
        _backend(conversion, documents, one, rules)
    for one in _of(documents, "MCPRoute"):
        _servers(conversion, documents, one, rules)
    for one in documents:
        one.left_open("how the gateway is set up is no configuration here")


def _of(documents: list[Node], kind: str) -> Iterator[Node]:
    yield from (one for one in documents if one.word("kind") == kind)


def _name(document: Node) -> str:
    node = document.at("metadata", "name")
    return str(node.carry()) if node is not None else ""


def _backend(conversion: Conversion, documents: list[Node], document: Node, rules: tuple[Node, ...]) -> None:
    own = _name(document)
    schema = document.at("spec", "schema", "name")
    provider = _SCHEMAS.get(str(schema.carry())) if schema is not None else None
    if provider is None:
        document.left("its schema is none that is known here")
        return
    name = conversion.name("integration", own or provider, document.at("metadata", "name"))
    model = Model(provider)
    host = _host(documents, document.at("spec", "backendRef", "name"))
    prefix = document.at("spec", "schema", "prefix")
    if host is not None and host != f"https://{_HOSTS.get(provider)}" and provider not in {"bedrock", "gemini"}:
        model.base_url = host + (f"/{str(prefix.carry()).strip('/')}" if prefix is not None else "")
        model.provider = "custom" if provider == "openai" else provider
    elif host is None and provider not in {"bedrock", "gemini"}:
        model.why_off = "its address is not known"
    version = document.at("spec", "schema", "version")
    if version is not None and provider == "azure_openai":
        model.config["api_version"] = version.carry()
    _security(conversion, documents, own, name, model)
    model.models, why = _models(documents, own)
    model.why_off = model.why_off or why
    write(conversion, name, model, document, rules)


def _host(documents: list[Node], named: Node | None) -> str | None:
    for one in _of(documents, "Backend"):
        name = one.at("metadata", "name")
        if named is None or name is None or name.value != named.value:
            continue
        first = next(iter(one.each("spec", "endpoints")), None)
        host, port = (first.at("fqdn", "hostname"), first.at("fqdn", "port")) if first is not None else (None, None)
        if host is None:
            return None
        named.carry()
        number = port.carry() if port is not None else 443
        scheme = "https" if number == 443 else "http"
        return f"{scheme}://{host.carry()}" + ("" if number in (80, 443) else f":{number}")
    return None


def _security(conversion: Conversion, documents: list[Node], own: str, name: str, model: Model) -> None:
    for policy in _of(documents, "BackendSecurityPolicy"):
        targets = [*policy.each("spec", "targetRefs")]
        if own not in [one.word("name") for one in targets if isinstance(one.value, dict)]:
            continue
        kind = policy.at("spec", "type")
        word = str(kind.carry()) if kind is not None else ""
        secret = policy.at("spec", _KEYS.get(word, "-"), "secretRef", "name")
        if secret is not None:
            model.credential = conversion.references.own(name, "API_KEY")
            secret.refer("the key is a secret of the cluster there: put it here", model.credential)
            continue
        for keys in (("awsCredentials", "region"), ("gcpCredentials", "projectName"), ("gcpCredentials", "region")):
            node = policy.at("spec", *keys)
            ours = {"projectName": "project"}.get(keys[1], "region" if model.provider == "bedrock" else "location")
            if node is not None:
                model.config[ours] = node.carry()
        model.why_off = "it authenticates by something else than an API key"


def _models(documents: list[Node], own: str) -> tuple[list[str], str | None]:
    """Return the models that routes lead to a backend with (none: every model), and why it has to be switched off."""
    found: list[str] = []
    is_open, why = False, "no route leads to it"
    for route in _of(documents, "AIGatewayRoute"):
        for rule in route.each("spec", "rules"):
            for reference in rule.each("backendRefs"):
                if reference.word("name") != own:
                    continue
                why = "" if why == "no route leads to it" else why
                override = reference.text("modelNameOverride")
                headers = [one for match in rule.each("matches") for one in match.each("headers")]
                names = [one for one in headers if one.word("name") == _MODEL]
                is_open = is_open or (not names and override is None)
                for one in names:
                    if one.word("type") == "RegularExpression" and override is None:
                        why = "a pattern says which models may be used, and models are listed here"
                        one.restricts(why)
                    else:
                        one.carry()
                found += (
                    [override]
                    if override
                    else [one.word("value") for one in names if one.word("type") != "RegularExpression"]
                )
    return ([] if is_open else found), why or None


def _servers(conversion: Conversion, documents: list[Node], route: Node, rules: tuple[Node, ...]) -> None:
    policy = route.at("spec", "securityPolicy")
    if policy is not None:
        policy.restricts("it says who may call, and no manifest has it")
    for reference in route.each("spec", "backendRefs"):
        wanted = reference.get("name")
        if wanted is None:
            reference.left("it names no backend")
            continue
        host = _host(documents, wanted)
        name = conversion.name("connector", str(wanted.value), wanted)
        path = reference.get("path")
        url = (
            f"{host}{str(path.carry()) if path is not None else '/mcp'}"
            if host is not None
            else f"https://{name}.invalid"
        )
        body: dict[str, Any] = {"type": "mcp", "transport": "streamable_http", "url": url}
        body["tools"] = {str(item.carry()): {} for item in reference.each("toolSelector", "include")}
        if (pattern := reference.at("toolSelector", "includeRegex")) is not None:
            pattern.restricts("a pattern says which tools may be called, and tools are listed here")
        if (key := reference.at("securityPolicy", "apiKey")) is not None:
            token = conversion.references.own(name, "TOKEN")
            key.refer("the key is a secret of the cluster there: put it here", token)
            body["auth"] = {"type": "bearer", "token": token}
        conversion.add("connector", name, body, reference, governed_by=(*rules, *([policy] if policy else [])))
        reference.note(f"no tool may be called until it is listed in `tools` and pinned; {PIN}")
