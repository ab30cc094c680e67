"""A LiteLLM proxy's configuration turned into integrations and limits: one per provider, credential and address.

Source: `model_list`, `litellm_settings`, `router_settings`, `general_settings` and `credential_list` of LiteLLM's config.yaml.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec import Struct, field

from reconciler.convert import litellm_keys, litellm_limits, litellm_routes, mcp_client
from reconciler.convert.conversion import Conversion, NotOfThisFormat
from reconciler.convert.ledger import Node, leaves
from reconciler.convert.litellm_auth import IDENTITIES, Param, judge_auth
from reconciler.convert.litellm_providers import Provider, provider_of
from reconciler.convert.litellm_restrictions import RESTRICTIONS as RESTRICTIONS
from reconciler.convert.litellm_restrictions import judge
from reconciler.convert.litellm_routes import Offered
from reconciler.convert.reach import address_without_query
from reconciler.convert.references import has_variable, variable
from reconciler.convert.values import whole

_CONFIG = {
    "azure_openai": {"api_version": "api_version"},
    "openai": {"organization": "organization"},
    "bedrock": {"aws_region_name": "region", "aws_profile_name": "profile", "aws_role_name": "role_arn"},
    "gemini": {
        "vertex_project": "project",
        "vertex_ai_project": "project",
        "vertex_location": "location",
        "vertex_ai_location": "location",
    },
    "ollama": {"keep_alive": "keep_alive", "num_ctx": "num_ctx"},
}
_FAR = "callers choose this themselves, per request"
REASONS = {
    "temperature": _FAR, "max_tokens": _FAR, "top_p": _FAR, "seed": _FAR, "stop": _FAR,
    "stream_timeout": "there is one timeout, `timeout_seconds`",
    "model_info": "prices and capabilities of models are no configuration here",
    "guardrails": "guardrails are declared anew: see `reconciler explain guardrail`",
    "router_settings": "a route tries its deployments in order, or by weight: nothing else chooses",
    "environment_variables": "variables of the process are set where it is started",
    "general_settings": "settings of the proxy's own process",
    "litellm_settings": "settings of the proxy's own process",
}  # fmt: skip


class _Group(Struct):
    """Entries that differ in nothing but the model."""

    provider: Provider
    region: str | None = None
    entries: list[Node] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)  # the name that callers use: the provider's name
    names: list[str] = field(default_factory=list)
    offers: list[tuple[int, Node, str]] = field(default_factory=list)
    """By the number of its entry: the name of a model in the integration."""


def convert(conversion: Conversion) -> None:
    """Convert a proxy's configuration. Raises NotOfThisFormat."""
    root = conversion.documents[0] if conversion.documents else None
    models = root.get("model_list") if root is not None else None
    if root is None or models is None or not isinstance(models.value, list):
        raise NotOfThisFormat("expected `model_list`, a list of models", (0,))
    groups: dict[Any, _Group] = {}
    for number, entry in enumerate(models.items()):
        _place(entry, number, groups, root)
    integrations: dict[str, list[str]] = {}
    offered: dict[int, Offered] = {}
    for group in groups.values():
        name = _integration(conversion, group, root)
        integrations.setdefault(group.provider.prefix, []).append(name)
        for number, entry, model in group.offers:
            offered[number] = Offered(entry, name, model)
    known = litellm_routes.convert(conversion, root, [offered[number] for number in sorted(offered)])
    litellm_keys.convert(conversion, root, known)
    litellm_limits.of_proxy(conversion, root, integrations)
    judge(root)
    if (servers := root.get("mcp_servers")) is not None:
        mcp_client.convert(conversion, root, servers)
    for key in ("model_list", *REASONS):
        node = root.get(key)
        for name, child in node.fields() if node is not None else ():
            if key == "litellm_settings" and name in {"request_timeout", "num_retries"}:
                continue
            _explain(child, REASONS[key])
        if node is not None and key in {"guardrails"}:
            node.left(REASONS[key])


def _explain(node: Node, reason: str) -> None:
    """Give the reason for every field that has no fate yet."""
    if all(node.ledger.fates[path] is None for path, _value in leaves(node.value, node.path)):
        node.left(reason)


def _place(entry: Node, number: int, groups: dict[Any, _Group], root: Node) -> None:
    params = entry.get("litellm_params")
    model = params.get("model") if params is not None else None
    if params is None or model is None or not isinstance(model.value, str):
        entry.left("expected `model_name` and `litellm_params.model`")
        return
    if variable(model.value) or has_variable(model.value):
        entry.left("the model is a variable of the environment: name it")
        return
    named = params.get("custom_llm_provider")
    provider, plain, region = provider_of(model.value, str(named.carry()) if named is not None else None)
    if plain is None:
        entry.left("it is an agent and no model")
        return
    limited = any(params.get(key) or entry.get(key) for key in litellm_limits.KEYS)
    used = (
        "api_key",
        *IDENTITIES,
        *_CONFIG.get(provider.provider, {}),
        "api_base",
        "base_url",
        "timeout",
        "max_retries",
    )
    settings = tuple((key, str(node.value)) for key in used if (node := _param(params, key, root)) is not None)
    key = (provider, settings, region, number if limited else None)
    group = groups.setdefault(key, _Group(provider, region))
    group.entries.append(entry)
    model.carry()
    alias = entry.get("model_name")
    wanted = str(alias.value) if alias is not None else plain
    group.names.append(wanted)
    if provider.provider == "azure_openai":
        group.models[wanted] = plain  # Azure's deployments have names of their own
        group.offers.append((number, entry, wanted))
        return
    group.models[plain] = plain
    group.offers.append((number, entry, plain))


def _param(params: Node, key: str, root: Node) -> Node | None:
    """Return a parameter, or what the named credential of `credential_list` says."""
    own = params.get(key)
    own = own if own is None or own.value != "" else None  # an empty text says nothing
    wanted = params.get("litellm_credential_name")
    if own is not None or wanted is None:
        return own
    for credential in root.each("credential_list"):
        name = credential.get("credential_name")
        if name is not None and name.value == wanted.value:
            name.carry()
            wanted.carry()
            return credential.at("credential_values", key)
    return None


def _integration(conversion: Conversion, group: _Group, root: Node) -> str:
    first, params = group.entries[0], group.entries[0].get("litellm_params")
    assert params is not None
    provider = group.provider
    single = len(group.entries) == 1 and "*" not in group.names[0]
    wanted = group.names[0] if single else provider.prefix
    name = conversion.name("integration", wanted, first.get("model_name") if single else None)
    anything = any("*" in model for model in group.models)
    body: dict[str, Any] = {"provider": provider.provider, "models": [] if anything else sorted(group.models)}
    reachable = _address(conversion, name, group, body, params, root)
    given = partial(_param, params, root=root)
    reachable = judge_auth(first, provider.prefix, name, given) and reachable
    _credential(conversion, name, group, body, given)
    config: dict[str, Any] = {}
    for theirs, ours in _CONFIG.get(provider.provider, {}).items():
        node = _param(params, theirs, root)
        if node is None:
            continue
        if isinstance(node.value, str) and variable(node.value):
            node.refer("a variable of the environment: write its value", f"config.{ours}")
        else:
            config[ours] = node.carry()
    if provider.provider == "azure_openai":
        config["deployments"] = {
            model: real for model, real in group.models.items() if model != real and "*" not in model
        }
    if provider.prefix == "vertex-ai" and "project" not in config:
        first.note(
            "no project is named: write `config.project`, without which another API is asked", f"integration/{name}"
        )
    if group.region is not None:
        config.setdefault("region", group.region)
    if provider.provider == "bedrock" and "region" not in config:
        config["region"] = "us-east-1"
        words = "no region is named: us-east-1 is written, and it is switched off until you have checked that"
        first.note(words, f"integration/{name}")
        reachable = False
    body["config"] = {key: value for key, value in config.items() if value not in (None, {}, "")}
    if not reachable:
        body["enabled"] = False
    body["timeout_seconds"] = _setting(params, root, ("timeout", "request_timeout"), ("request_timeout",), 1, 3600)
    body["max_retries"] = _setting(params, root, ("max_retries", "num_retries"), ("num_retries",), 0, 10)
    for other in group.entries[1:]:
        _same(other.get("litellm_params"), params)
    for entry in group.entries:
        for key in ("litellm_params", "model_info"):
            node = entry.get(key)
            for field_name, child in node.fields() if node is not None else ():
                if field_name in REASONS or key == "model_info":
                    child.left(REASONS.get(field_name, REASONS["model_info"]))
    conversion.add("integration", name, body, *group.entries)
    for entry in group.entries:
        litellm_limits.of_entry(conversion, entry, name)
    return name


def _address(conversion: Conversion, name: str, group: _Group, body: dict[str, Any], params: Node, root: Node) -> bool:
    """Set `base_url`; False where nobody knows the address yet, and the integration stays switched off."""
    node = _param(params, "api_base", root) or _param(params, "base_url", root)
    if node is not None:
        body["base_url"] = address_without_query(conversion, name, node)
        known = not str(body["base_url"]).endswith(".invalid")
        if not known:
            node.note("switched off until its address is written: then remove `enabled: false`", f"integration/{name}")
        return known
    if group.provider.base_url:
        body["base_url"] = group.provider.base_url
        group.entries[0].note("no address is named: it is the provider's usual one", group.provider.base_url)
    elif group.provider.provider in {"custom", "azure_openai"}:
        body["base_url"] = f"https://{name}.invalid"
        words = "no address is named or known: switched off until `base_url` is written, then remove `enabled: false`"
        group.entries[0].note(words, f"integration/{name}")
        return False
    return True


def _credential(conversion: Conversion, name: str, group: _Group, body: dict[str, Any], given: Param) -> None:
    node = given("api_key")
    if node is not None and group.provider.prefix != "vertex-ai":
        body["credential"] = conversion.reference(node, name, "API_KEY")
    elif any(given(key) is not None for key in IDENTITIES):
        if group.provider.provider != "bedrock":
            body["credential"] = conversion.references.own(name, "CREDENTIAL")
    elif group.provider.variable:
        body["credential"] = conversion.references.named(group.provider.variable)
        group.entries[0].note("no key is named: it is where LiteLLM looks by itself", body["credential"])


def _setting(
    params: Node, root: Node, own: tuple[str, ...], shared: tuple[str, ...], least: int, most: int
) -> int | None:
    node = next((one for key in own if (one := params.get(key)) is not None), None)
    node = node or next((one for key in shared if (one := root.at("litellm_settings", key)) is not None), None)
    return whole(node, least, most)


def _same(params: Node | None, first: Node) -> None:
    """Account for what an entry has in common with the first of its group, which carries it over."""
    for key, node in params.fields() if params is not None else ():
        if node.ledger.fates.get(node.path) is None and key in first.value and key not in REASONS:
            fate = node.ledger.fates.get((*first.path, key))
            if fate in ("carried", "reference") and str(first.value[key]) == str(node.value):
                node.ledger.mark(node, fate)
