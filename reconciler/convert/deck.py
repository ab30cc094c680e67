"""Kong's AI plugins, as decK writes them, turned into integrations.

Source: `services`, `routes` and `plugins` of decK's file, and the plugins `ai-proxy` and `ai-proxy-advanced`.
"""

from __future__ import annotations

from typing import Any

from reconciler.convert.conversion import Conversion, NotOfThisFormat
from reconciler.convert.ledger import Node
from reconciler.convert.models import Model, address_of, write
from reconciler.convert.references import variable
from reconciler.convert.restrictions import Restriction
from reconciler.convert.values import is_false

_PROXIES = frozenset({"ai-proxy", "ai-proxy-advanced"})
_HARMLESS = frozenset(
    [
        "file-log",
        "http-log",
        "tcp-log",
        "udp-log",
        "syslog",
        "loggly",
        "prometheus",
        "opentelemetry",
        "zipkin",
        "statsd",
        "datadog",
        "correlation-id",
        "cors",
        "proxy-cache",
        "proxy-cache-advanced",
        "ai-semantic-cache",
    ]
)
_PROVIDERS = {
    "openai": "openai", "azure": "azure_openai", "anthropic": "anthropic", "cohere": "cohere", "mistral": "mistral",
    "gemini": "gemini", "bedrock": "bedrock",
}  # fmt: skip
_IDENTITIES = ("aws_", "azure_client_", "azure_tenant_", "azure_use_managed", "gcp_")
RESTRICTIONS = (
    Restriction("plugins.*.enabled", "it says whether the plugin is used", "`enabled`", judged=True),
    Restriction(
        "plugins: acl, ip-restriction, ai-rate-limiting-advanced, ai-prompt-guard, …",
        "rules of a service or a route",
        judged=True,
    ),
    Restriction("config.model.options.max_tokens", "it limits the tokens of an answer"),
    Restriction("config.max_request_body_size", "it limits requests"),
    Restriction("consumer", "it says whose requests it is for"),
    Restriction("consumer_group", "it says whose requests it is for"),
    Restriction("config.targets.*.model.options.max_tokens", "it limits the tokens of an answer"),
)


def convert(conversion: Conversion) -> None:
    """Convert Kong's configuration. Raises NotOfThisFormat."""
    root = conversion.documents[0] if conversion.documents else None
    if root is None or root.get("_format_version") is None:
        raise NotOfThisFormat("expected `_format_version`, as decK writes it", (0,))
    everywhere = _rules(root)
    _scope(conversion, root, "ai", everywhere)
    for route in root.each("routes"):
        _scope(conversion, route, (route.word("name") or "route"), (*everywhere, *_rules(route)))
    for service in root.each("services"):
        name = service.word("name") or "service"
        own = (*everywhere, *_rules(service))
        inner = [one for route in service.each("routes") for one in _rules(route)]
        _scope(conversion, service, name, (*own, *inner))
        for route in service.each("routes"):
            _scope(conversion, route, (route.word("name") or name), (*own, *_rules(route)))
        service.left_open("which requests the gateway routes is no configuration here")


def _rules(owner: Node) -> tuple[Node, ...]:
    """Report plugins that limit requests; return them."""
    found = [
        plugin
        for plugin in owner.each("plugins")
        if isinstance(plugin.value, dict) and plugin.word("name") not in _PROXIES | _HARMLESS and not _is_off(plugin)
    ]
    for plugin in found:
        if plugin.ledger.fates.get(next(iter(plugin.ledger.below(plugin.path)), ())) != "left":
            plugin.restricts("a plugin that limits or changes requests, and no manifest has it")
    return tuple(found)


def _is_off(plugin: Node) -> bool:
    switch = plugin.get("enabled")
    return switch is not None and is_false(switch.value)


def _scope(conversion: Conversion, owner: Node, wanted: str, rules: tuple[Node, ...]) -> None:
    for plugin in owner.each("plugins"):
        if not isinstance(plugin.value, dict) or plugin.word("name") not in _PROXIES:
            continue
        plugin.text("name")
        config = plugin.get("config")
        targets = plugin.each("config", "targets") or ([config] if config is not None else [])
        for target in targets:
            _target(conversion, plugin, target, wanted, rules)


def _target(conversion: Conversion, plugin: Node, target: Node, wanted: str, rules: tuple[Node, ...]) -> None:
    provider, own = target.at("model", "provider"), target.at("model", "name")
    if provider is None or not isinstance(provider.value, str):
        target.left("it names no provider")
        return
    name = conversion.name("integration", wanted)
    model = Model(_PROVIDERS.get(provider.carry(), "custom"))
    if own is not None and isinstance(own.value, str):
        model.models = [own.carry()]
    options = target.at("model", "options")
    if options is not None:
        _options(conversion, name, options, model, str(provider.value))
    _auth(conversion, name, target.get("auth"), model)
    switch = plugin.get("enabled")
    if switch is not None:
        switch.carry()
        model.enabled = not is_false(switch.value)
    node = target if target.path != (*plugin.path, "config") else plugin
    governed = (*rules, *([plugin] if node is target else []))
    write(conversion, name, model, node, governed)


def _options(conversion: Conversion, name: str, options: Node, model: Model, provider: str) -> None:
    address_of(conversion, name, options.get("upstream_url"), model)
    instance = options.get("azure_instance")
    if instance is not None and model.base_url is None:
        model.base_url = f"https://{instance.carry()}.openai.azure.com"
    places: dict[str, tuple[str, ...]] = {
        "api_version": ("azure_api_version",),
        "region": ("bedrock", "aws_region"),
        "project": ("gemini", "project_id"),
        "location": ("gemini", "location_id"),
    }
    own = {"azure": {"api_version"}, "bedrock": {"region"}, "gemini": {"project", "location"}}.get(provider, set())
    for ours, keys in places.items():
        if ours in own and (node := options.at(*keys)) is not None:
            model.config[ours] = node.carry()
    deployment = options.get("azure_deployment_id")
    if provider == "azure" and deployment is not None:
        real = str(deployment.carry())
        model.models = model.models or [real]
        model.config["deployments"] = {one: real for one in model.models if one != real}
    if model.config.get("project"):
        model.why_off = "it authenticates by a service account, and a credential is an API key here"


def _auth(conversion: Conversion, name: str, node: Node | None, model: Model) -> None:
    if node is None:
        return
    value = node.get("header_value") or node.get("param_value")
    for key, one in node.fields():
        if key.startswith(_IDENTITIES) and one.value not in (None, False):
            model.why_off = "it authenticates by something else than an API key"
            one.left("a credential is a reference to an API key here")
        elif key in {"header_name", "param_name", "param_location", "allow_override"}:
            one.carry()
    if value is not None and isinstance(value.value, str) and value.value:
        text: Any = value.value.removeprefix("Bearer ").strip()
        inner = Node(text, value.path, value.ledger)
        is_own = variable(text) is not None or not text.startswith("{vault://")
        if is_own:
            model.credential = conversion.reference(inner, name, "API_KEY")
        else:
            model.credential = conversion.references.own(name, "API_KEY")
            value.refer("it comes from Kong's vault: put it there", model.credential)
