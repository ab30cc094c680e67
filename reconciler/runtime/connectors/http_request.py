"""An http template and the values of a call, turned into a request whose host, path and headers nobody can bend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from reconciler import strict_json
from reconciler.kinds.schema_engine import UnusableSchema
from reconciler.kinds.template.body import body_fault
from reconciler.kinds.template.http_values import NAME, filled, unfit, word
from reconciler.runtime.call import Call, Failed, Resolve
from reconciler.runtime.connectors.credential import Token, no_token, with_credential

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Request(Struct, frozen=True):
    """One request, ready to be sent."""

    method: str
    url: str
    host: str
    port: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE


async def request_of(call: Call, resolve: Resolve, token: Token = no_token) -> Request:
    """Secrets are fetched here, at the last moment. Raises Failed."""
    connector, template = call.connector.body, call.operation.body
    method = template["method"]
    _require_fit(call)
    base = connector["base_url"].rstrip("/")
    parts = urlsplit(base)
    query = _query(template["query"], call.values)
    said = ((name, _header(text, call.values)) for name, text in template["headers"].items())
    headers: dict[str, str] = {name: value for name, value in said if value is not None}
    body = strict_json.write(call.body) if template.get("body") is not None else None

    async def secret(reference: str) -> str:
        return await resolve(call.tenant, reference)

    headers, query = await with_credential(connector, headers, query, secret, token)
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers.setdefault("Accept", "application/json, text/*;q=0.5")
    headers["Accept-Encoding"] = "gzip, deflate"
    url = base + _path(template["path"], call.values) + (f"?{urlencode(query)}" if query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Request(method, url, parts.hostname or "", port, headers, body)


def _require_allowed(call: Call) -> None:
    template = call.operation.body
    if template["method"] not in call.connector.body["allowed_methods"]:
        raise Failed("method-not-allowed", "the connector does not allow this method", "blocked")


def _require_fit(call: Call) -> None:
    """Raise Failed for a call that nobody has judged."""
    _require_allowed(call)
    for one in unfit(call.operation.body, call.connector.body, call.values):
        raise Failed("invalid-value", one.message, "blocked")
    if (schema := call.operation.body.get("body")) is not None:
        try:
            wrong = body_fault(schema, call.body)
        except UnusableSchema:
            raise Failed("invalid-schema", "the template's schema of the body can't be used", "blocked") from None
        if wrong is not None:
            raise Failed("invalid-body", f"{wrong.parameter}: {wrong.message}", "blocked")


def _path(text: str, values: Mapping[str, Any]) -> str:
    return "/" + "/".join(filled(segment, values) for segment in text.split("/")[1:])


def _query(query: Mapping[str, str], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, text in query.items():
        match = NAME.fullmatch(text)
        value = values[match[1]] if match else text
        listed = value if isinstance(value, list) else [] if value is None else [value]
        found += [(name, word(one)) for one in listed]
    return found


def _header(text: str, values: Mapping[str, Any]) -> str | None:
    match = NAME.fullmatch(text)
    if match is None:
        return text
    value = values[match[1]]
    return None if value is None else word(value)
