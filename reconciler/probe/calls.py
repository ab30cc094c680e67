"""The body of a resource turned into the one request that shows whether it answers.

Providers: the cheapest authenticated call of each API, as its own reference documents it (mostly: list models).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.secret_ref import SCHEMES

Reveal: TypeAlias = Callable[[str], str]
"""A reference turned into its secret."""


class Call(NamedTuple):
    """A request without a body; its parts may hold secrets, so it is shown to nobody."""

    method: str
    url: str
    headers: Mapping[str, str]
    any_answer: bool = False
    """Whether 404 is an answer as good as another: nobody knows what stands at the root of an API."""

    def __repr__(self) -> str:
        return "Call(...)"


class Pair(NamedTuple):
    """Where a request goes (scheme, host and port), and a reference whose secret goes with it; None: none does."""

    tenant: str
    origin: str
    reference: str | None


def call_of(address: Address, body: Body, reveal: Reveal) -> Call | None:
    """None where there is nothing to ask over HTTP, or more than one request would be needed."""
    if address.kind == "integration":
        make = _PROVIDERS.get(str(body.get("provider")))
        return make(body, reveal) if make and body.get("enabled") is not False else None
    if address.kind == "connector" and body.get("type") == "http":
        return _http(body, reveal)
    return None


def pairs_of(address: Address, body: Body) -> frozenset[Pair]:
    """Return what a probe of this resource would send, and where; empty where there is none."""
    sent: list[str] = []

    def noted(reference: str) -> str:
        sent.append(reference)
        return ""

    try:
        call = call_of(address, body, noted)
        parts = urlsplit(call.url) if call else None
    except (ValueError, TypeError, AttributeError, KeyError):
        return frozenset()  # a live body may hold anything
    if parts is None:
        return frozenset()
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    origin = f"{parts.scheme}://{parts.hostname}:{port}"
    references: list[str | None] = [*sent] or [None]
    return frozenset(Pair(address.tenant, origin, reference) for reference in references)


def _bearer(body: Body, reveal: Reveal) -> dict[str, str]:
    return {"Authorization": f"Bearer {reveal(body['credential'])}"} if body.get("credential") else {}


def _models(default: str, path: str = "/models") -> Callable[[Body, Reveal], Call]:
    def make(body: Body, reveal: Reveal) -> Call:
        return Call("GET", _base(body, default) + path, _bearer(body, reveal))

    return make


def _base(body: Body, default: str = "") -> str:
    return str(body.get("base_url") or default).rstrip("/")


def _openai(body: Body, reveal: Reveal) -> Call:
    config: Mapping[str, Any] = body.get("config") or {}
    names = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}
    own = {header: str(config[key]) for key, header in names.items() if config.get(key)}
    return Call("GET", _base(body, "https://api.openai.com/v1") + "/models", {**_bearer(body, reveal), **own})


def _anthropic(body: Body, reveal: Reveal) -> Call:
    version = str((body.get("config") or {}).get("version") or "2023-06-01")
    headers = {"x-api-key": reveal(body["credential"]), "anthropic-version": version}
    return Call("GET", _base(body, "https://api.anthropic.com") + "/v1/models?limit=1", headers)


def _azure(body: Body, reveal: Reveal) -> Call:
    version = str((body.get("config") or {}).get("api_version") or "2024-10-21")
    path = "/openai/v1/models" if version in ("v1", "latest", "preview") else f"/openai/models?api-version={version}"
    return Call("GET", _base(body) + path, {"api-key": reveal(body["credential"])})


def _gemini(body: Body, reveal: Reveal) -> Call | None:
    config: Mapping[str, Any] = body.get("config") or {}
    if config.get("project"):
        return None  # Vertex AI wants a token that is fetched first
    version = str(config.get("api_version") or "v1beta")
    url = _base(body, "https://generativelanguage.googleapis.com") + f"/{version}/models?pageSize=1"
    return Call("GET", url, {"x-goog-api-key": reveal(body["credential"])})


def _http(body: Body, reveal: Reveal) -> Call | None:
    auth: Mapping[str, Any] = body.get("auth") or {"type": "none"}
    url = str(body["base_url"])
    headers = {name: _value(value, reveal) for name, value in (body.get("headers") or {}).items()}
    if auth["type"] == "bearer":
        headers["Authorization"] = f"Bearer {reveal(auth['token'])}"
    elif auth["type"] == "basic":
        pair = f"{auth['username']}:{reveal(auth['password'])}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    elif auth["type"] == "api_key" and auth.get("in") == "query":
        url += f"?{quote(auth['header'], safe='')}={quote(reveal(auth['key']), safe='')}"
    elif auth["type"] == "api_key":
        headers[auth["header"]] = reveal(auth["key"])
    elif auth["type"] != "none":
        return None  # oauth2: a token is fetched first
    methods = body.get("allowed_methods") or ()
    method = next((one for one in ("HEAD", "GET", "OPTIONS") if one in methods), None)
    return Call(method, url, headers, any_answer=True) if method else None


def _value(value: Any, reveal: Reveal) -> str:
    if isinstance(value, Mapping):
        return str(value["plain"])
    return reveal(value) if value.partition("://")[0] in SCHEMES else str(value)


_PROVIDERS: Mapping[str, Callable[[Body, Reveal], Call | None]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "azure_openai": _azure,
    "gemini": _gemini,
    "mistral": _models("https://api.mistral.ai/v1"),
    "cohere": _models("https://api.cohere.com/v1"),
    "ollama": _models("", "/api/tags"),
    "custom": _models(""),
}
"""bedrock is not here: its requests are signed by the AWS SDK."""
