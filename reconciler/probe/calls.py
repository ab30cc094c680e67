"""The body of a resource turned into the one request that shows whether it answers.

Providers: the cheapest authenticated call of each API stands in the provider's file (`kinds/provider/`), mostly: list models.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from reconciler.kinds.provider.wire import Wire
from reconciler.kinds.provider.wires import WIRES
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
        wire = WIRES.get(str(body.get("provider")))
        return _provider(wire, body, reveal) if wire is not None and body.get("enabled") is not False else None
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


def _provider(wire: Wire, body: Body, reveal: Reveal) -> Call | None:
    """Return the request that the provider's own file names, with the headers and the key of every other one."""
    probe = wire.probe(body)
    if probe is None:
        return None
    key = probe.key or wire.key(body)
    secret = {key.header: key.prefix + reveal(body["credential"])} if body.get("credential") else {}
    return Call("GET", probe.url, {**secret, **wire.headers(body)})


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
