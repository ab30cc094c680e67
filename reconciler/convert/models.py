"""What gateways say of a model's provider, turned into an integration."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from reconciler.convert.conversion import Conversion
from reconciler.convert.ledger import Node
from reconciler.convert.reach import address_without_query

_NEEDS_ADDRESS = frozenset({"azure_openai", "custom", "ollama"})
_NEEDS_KEY = frozenset({"openai", "anthropic", "azure_openai", "gemini", "mistral", "cohere"})


class Model(Struct):
    """One provider of a gateway. ``why_off`` says why nothing may be called until a person has looked."""

    provider: str
    models: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    credential: str | None = None
    why_off: str | None = None
    enabled: bool = True


def write(conversion: Conversion, name: str, model: Model, node: Node, governed_by: tuple[Node, ...] = ()) -> None:
    """Add the integration; one without a known address or an API key is switched off."""
    why = model.why_off
    if model.base_url is None and model.provider in _NEEDS_ADDRESS:
        model.base_url, why = f"https://{name}.invalid", why or "its address is not known"
    if model.provider == "bedrock" and "region" not in model.config:
        model.config["region"], why = "us-east-1", why or "its region is not known"
    if model.credential is None and model.provider in _NEEDS_KEY:
        model.credential = conversion.references.own(name, "API_KEY")
        why = why or "its key is none that the file names"
    if why is not None:
        node.note(
            f"{why}: switched off until you have checked that, then remove `enabled: false`", f"integration/{name}"
        )
    body = {
        "provider": model.provider,
        "models": sorted({*model.models}),
        "base_url": model.base_url,
        "credential": model.credential,
        "config": model.config,
        "enabled": None if model.enabled and why is None else False,
    }
    conversion.add("integration", name, body, node, governed_by=governed_by)


def address_of(conversion: Conversion, name: str, node: Node | None, model: Model) -> None:
    """Set the address that the input names."""
    if node is not None and isinstance(node.value, str):
        model.base_url = address_without_query(conversion, name, node)
        if model.base_url.endswith(".invalid"):
            model.why_off = "its address is not known"


def judge_rules(node: Node | None, known: frozenset[str]) -> tuple[Node, ...]:
    """Report the rules of a map that are none of those that limit nothing; return what governs."""
    for name, rule in node.fields() if node is not None else ():
        if name not in known:
            rule.restricts("a rule of the gateway about who may call what, and no manifest has it")
    return (node,) if node is not None else ()
