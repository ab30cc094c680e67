"""LiteLLM's names of providers and models turned into providers of integrations.

Source: the prefixes `provider/model` of LiteLLM's documentation, and the public addresses of those providers.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Provider(NamedTuple):
    """``prefix`` is LiteLLM's name; ``provider`` ours; ``variable`` is where LiteLLM finds the key by itself."""

    prefix: str
    provider: str
    variable: str | None
    base_url: str | None = None


_OURS = {
    "openai": Provider("openai", "openai", "OPENAI_API_KEY"),
    "text-completion-openai": Provider("openai", "openai", "OPENAI_API_KEY"),
    "azure": Provider("azure", "azure_openai", "AZURE_API_KEY"),
    "azure_text": Provider("azure", "azure_openai", "AZURE_API_KEY"),
    "anthropic": Provider("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    "bedrock": Provider("bedrock", "bedrock", None),
    "bedrock_converse": Provider("bedrock", "bedrock", None),
    "vertex_ai_beta": Provider("vertex-ai", "gemini", "GOOGLE_APPLICATION_CREDENTIALS"),
    "gemini": Provider("gemini", "gemini", "GEMINI_API_KEY"),
    "vertex_ai": Provider("vertex-ai", "gemini", "GOOGLE_APPLICATION_CREDENTIALS"),
    "mistral": Provider("mistral", "mistral", "MISTRAL_API_KEY"),
    "cohere": Provider("cohere", "cohere", "COHERE_API_KEY"),
    "cohere_chat": Provider("cohere", "cohere", "COHERE_API_KEY"),
    "ollama": Provider("ollama", "ollama", None, "http://localhost:11434"),
    "ollama_chat": Provider("ollama", "ollama", None, "http://localhost:11434"),
}
_OPENAI_LIKE = {
    "groq": "https://api.groq.com/openai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "deepseek": "https://api.deepseek.com",
    "perplexity": "https://api.perplexity.ai",
    "xai": "https://api.x.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
}
_BARE = [
    (
        re.compile(r"(gpt-|chatgpt-|o[0-9](-|$)|text-(davinci|embedding)|davinci|babbage|dall-e|whisper|tts-|ft:gpt)"),
        "openai",
    ),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"(command|embed-english|embed-multilingual)"), "cohere"),
    (re.compile(r"(mistral-|codestral)"), "mistral"),
    (re.compile(r"gemini-"), "vertex_ai"),
]


_ROUTES = {
    "azure": frozenset({"o_series", "gpt5_series", "responses", "global", "global-standard", "eu", "us"}),
    "bedrock": frozenset(
        {
            "converse",
            "converse_like",
            "invoke",
            "async_invoke",
            "llama",
            "deepseek_r1",
            "nova",
            "nova-2",
            "openai",
            "qwen3",
        }
    ),
    "openai": frozenset({"responses", "chat", "completions"}),
    "vertex-ai": frozenset({"gemini", "openai"}),
}
"""By provider: what stands before a model's name and says how it is called."""
_AGENTS = frozenset({"agent", "agentcore", "agents"})
_REGION = re.compile(r"[a-z]{2}(?:-gov)?-[a-z]+-[0-9]\Z")


def provider_of(model: str, named: str | None) -> tuple[Provider, str | None, str | None]:
    """Return the provider, the model's name without prefix and routes, and the region that stands before it.

    ``named`` is `custom_llm_provider`. The name of an agent, which is no model, is None.
    """
    provider, rest = _split(model, named)
    region = None
    while "/" in rest:
        first, _, behind = rest.partition("/")
        if provider.prefix == "bedrock" and first in _AGENTS:
            return provider, None, region
        if provider.prefix == "bedrock" and _REGION.match(first):
            region = first
        elif first not in _ROUTES.get(provider.prefix, ()) or not behind:
            break
        rest = behind
    return provider, rest, region


def _split(model: str, named: str | None) -> tuple[Provider, str]:
    prefix, slash, rest = model.partition("/")
    if named and not (slash and prefix == named):
        prefix, rest, slash = named, model, "/"
    if slash and prefix in _OURS:
        return _OURS[prefix], rest
    if slash:
        return Provider(prefix, "custom", f"{prefix}_API_KEY", _OPENAI_LIKE.get(prefix)), rest
    if model == "*":
        return Provider("any", "custom", None), model
    bare = next((_OURS[name] for pattern, name in _BARE if pattern.match(model)), None)
    return bare or Provider("other", "custom", None), model
