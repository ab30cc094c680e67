"""The wires of all providers, by the name of the provider: each stands in the provider's own file."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds.provider.wire import Wire
from reconciler.model.later import Later

WIRES: Mapping[str, Wire] = Later(
    "reconciler.kinds.provider",
    {
        name: f"{name}:WIRE"
        for name in (
            "openai",
            "anthropic",
            "azure_openai",
            "bedrock",
            "gemini",
            "mistral",
            "cohere",
            "ollama",
            "custom",
        )
    },
)
