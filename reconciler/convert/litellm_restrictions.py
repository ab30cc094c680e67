"""Fields of LiteLLM's config.yaml that limit what callers may do."""

from __future__ import annotations

from reconciler.convert.ledger import Node
from reconciler.convert.mcp_client import RESTRICTIONS as OF_SERVERS
from reconciler.convert.restrictions import Restriction

_LIMIT = "a limit"
_OF_MODELS = {
    "rpm": ("it limits requests", _LIMIT),
    "tpm": ("it limits tokens", _LIMIT),
    "max_budget": ("it limits what may be spent", _LIMIT),
    "max_parallel_requests": ("it limits requests at once", _LIMIT),
    "guardrails": ("it names guardrails that judge every request", ""),
    "region_name": ("it says in which region a model may run", ""),
    "allowed_model_region": ("it says in which region a model may run", ""),
    "max_file_size_mb": ("it limits files", ""),
    "mock_response": ("requests are answered without the provider", ""),
    "extra_headers": ("headers may limit what a provider does", ""),
    "headers": ("headers may limit what a provider does", ""),
    "extra_body": ("fields of every request may limit what a provider does", ""),
}
_OF_PROXIES = {
    "litellm_settings.max_budget": ("it limits what may be spent", _LIMIT),
    "general_settings.max_parallel_requests": ("it limits requests at once", _LIMIT),
    "general_settings.global_max_parallel_requests": ("it limits requests at once", _LIMIT),
    "litellm_settings.max_user_budget": ("it limits what a user may spend", ""),
    "litellm_settings.max_internal_user_budget": ("it limits what a user may spend", ""),
    "litellm_settings.max_end_user_budget": ("it limits what a user may spend", ""),
    "litellm_settings.default_internal_user_params": ("it limits new users", ""),
    "litellm_settings.upperbound_key_generate_params": ("it limits new keys", ""),
    "litellm_settings.default_key_generate_params": ("it limits new keys", ""),
    "litellm_settings.guardrails": ("guardrails judge every request", ""),
    "litellm_settings.banned_keywords_list": ("it lists words that are refused", ""),
    "litellm_settings.blocked_user_list": ("it lists users who are refused", ""),
    "litellm_settings.prompt_injection_params": ("requests are judged before they are sent", ""),
    "general_settings.allowed_ips": ("it lists the addresses that callers come from", ""),
    "general_settings.allowed_routes": ("it lists the paths that callers may use", ""),
    "general_settings.enforced_params": ("it lists what every request has to say", ""),
    "general_settings.enforce_user_param": ("it lists what every request has to say", ""),
    "general_settings.max_request_size_mb": ("it limits requests", ""),
    "general_settings.max_response_size_mb": ("it limits responses", ""),
}
RESTRICTIONS = (
    *OF_SERVERS,
    *(Restriction(f"litellm_params.{name}", *words) for name, words in _OF_MODELS.items()),
    *(Restriction(name, *_OF_MODELS[name]) for name in ("rpm", "tpm", "max_budget", "max_parallel_requests")),
    *(Restriction(name, *words, everything=True) for name, words in _OF_PROXIES.items()),
    Restriction("guardrails", "a guardrail that is on by default judges every request", everything=True, judged=True),
    Restriction("litellm_settings.callbacks", "some callbacks judge every request", everything=True, judged=True),
    Restriction(
        "router_settings.provider_budget_config.*", "it limits what may be spent", _LIMIT, everything=True, judged=True
    ),
    Restriction("litellm_params.api_base", "the query of an address may limit what may be done", judged=True),
)
_JUDGES = (
    "llamaguard", "llmguard", "hide_secrets", "banned_keywords", "blocked_user_list", "detect_prompt_injection", "presidio",
    "google_text_moderation", "openai_moderations", "lakera", "aporia", "azure_content_safety", "batch_redis_requests",
    "max_parallel_requests",
)  # fmt: skip
"""Beginnings of the names of callbacks that refuse or change requests."""


def judge(root: Node) -> None:
    """Report guardrails and callbacks that judge every request."""
    found: list[Node] = []
    for guardrail in root.each("guardrails"):
        default_on = guardrail.at("litellm_params", "default_on") or guardrail.get("default_on")
        if default_on is not None and default_on.value is True:
            found.append(guardrail)
    for key in ("callbacks", "success_callback", "input_callback"):
        listed = root.at("litellm_settings", key)
        one = [listed] if listed is not None and isinstance(listed.value, str) else []
        found += [item for item in (*root.each("litellm_settings", key), *one) if str(item.value).startswith(_JUDGES)]
    for node in found:
        node.restricts("it judges every request, and no guardrail is written for it")
