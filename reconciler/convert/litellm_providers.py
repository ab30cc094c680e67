"""LiteLLM's names of providers and models turned into providers of integrations.

What it calls our providers stands in each provider's own file. Source of the rest: the public addresses of those providers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from reconciler.kinds.provider.wires import WIRES


class Provider(NamedTuple):
    """``prefix`` is LiteLLM's name, ``provider`` ours; ``variable`` is where LiteLLM finds the key by itself."""

    prefix: str
    provider: str
    variable: str | None
    base_url: str | None = None


_OURS = {
    prefix: Provider(alias.name, name, alias.variable, alias.base_url)
    for name, wire in WIRES.items()
    for alias in wire.aliases
    for prefix in alias.prefixes
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
_ALIASES = [alias for wire in WIRES.values() for alias in wire.aliases]
_BARE = [(re.compile(alias.bare), alias.prefixes[0]) for alias in _ALIASES if alias.bare]
_ROUTES = {alias.name: alias.routes for alias in _ALIASES}
"""By LiteLLM's name of the provider: what stands before a model's name and says how it is called."""
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
