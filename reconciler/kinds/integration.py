"""The kind `integration`: an LLM provider used with the customer's own key, one spec per provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.kinds.model_target import INTEGRATION_CALLS, offers
from reconciler.kinds.provider.wires import WIRES
from reconciler.model.body import Body
from reconciler.model.kind import Ability, Kind
from reconciler.model.later import Later
from reconciler.model.selector import UNSERVED, Offer

if TYPE_CHECKING:
    from reconciler.model.spec import Spec

PROVIDERS: Mapping[str, type[Spec]] = Later(
    "reconciler.kinds.provider",
    {
        "openai": "openai:OpenAI",
        "anthropic": "anthropic:Anthropic",
        "azure_openai": "azure_openai:AzureOpenAI",
        "bedrock": "bedrock:Bedrock",
        "gemini": "gemini:Gemini",
        "mistral": "mistral:Mistral",
        "cohere": "cohere:Cohere",
        "ollama": "ollama:Ollama",
        "custom": "custom:Custom",
    },
)


def _unserved(body: Body) -> str | None:
    """Return what the runtime would need and can't do yet: tokens that are minted, and requests that are signed."""
    return WIRES[body["provider"]].unserved(body)


def _offers(body: Body) -> Iterator[Offer]:
    if body.get("runtime") is not False and _unserved(body) is not None:
        yield Offer(UNSERVED, body["provider"])
    yield from offers(body)


KIND = Kind(
    name="integration",
    plural="integrations",
    summary="An LLM provider that is used with the customer's own key.",
    variants=PROVIDERS,
    discriminator="provider",
    identity=("provider",),
    calls=INTEGRATION_CALLS,
    unserved=_unserved,
    offers=_offers,
    abilities=frozenset(
        {Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.METERED, Ability.NAMEABLE, Ability.LISTED}
    ),
    examples={
        "openai": "credential: vault://kv/acme/openai#api_key\nmodels: [gpt-5, gpt-5-mini]\ndefault_model: gpt-5-mini",
        "anthropic": "credential: encrypted://anthropic",
        "azure_openai": "base_url: https://acme.openai.azure.com\ncredential: vault://kv/acme/azure#api_key\n"
        "config:\n  api_version: 2024-10-21",
        "bedrock": "config:\n  region: eu-central-1",
        "gemini": "credential: encrypted://gemini",
        "mistral": "credential: encrypted://mistral",
        "cohere": "credential: encrypted://cohere",
        "ollama": "base_url: http://ollama.internal:11434",
        "custom": "base_url: https://models.internal/v1\ncredential: vault://kv/acme/models#token",
    },
)
