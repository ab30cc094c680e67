"""The wires of all providers, by the name of the provider: each stands in the provider's own file."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds.provider import (
    anthropic,
    azure_openai,
    bedrock,
    cohere,
    custom,
    gemini,
    mistral,
    ollama,
    openai,
)
from reconciler.kinds.provider.wire import Wire

WIRES: Mapping[str, Wire] = {
    "openai": openai.WIRE,
    "anthropic": anthropic.WIRE,
    "azure_openai": azure_openai.WIRE,
    "bedrock": bedrock.WIRE,
    "gemini": gemini.WIRE,
    "mistral": mistral.WIRE,
    "cohere": cohere.WIRE,
    "ollama": ollama.WIRE,
    "custom": custom.WIRE,
}
