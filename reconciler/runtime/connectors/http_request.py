"""An http template and the values of a call, turned into a request whose host, path and headers nobody can bend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from reconciler import strict_json
from reconciler.kinds.schema_engine import UnusableSchema
from reconciler.kinds.template.body import body_fault
from reconciler.kinds.template.form import FORM, NoForm, form_of
from reconciler.kinds.template.http_values import NAME, filled, joined, separator_of, unfit, word, written
from reconciler.model.body import Body
from reconciler.model.target import Bound
from reconciler.runtime.call import Call, Failed, Resolve
from reconciler.runtime.connectors.credential import Secret, Token, no_token, with_credential

_JSON = re.compile(r"application/[A-Za-z0-9.+-]{1,80}\+json")
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

    async def secret(reference: str) -> str:
        return await resolve(call.tenant, reference)

    bound = Bound(call.values, call.body)
    return await request_from(call.connector.body, call.operation.body, bound, secret, token)


async def request_from(connector: Body, template: Body, bound: Bound, secret: Secret, token: Token) -> Request:
    """Return the request of a template and a call's values. Raises Failed."""
    _require_fit(connector, template, bound)
    base = connector["base_url"].rstrip("/")
    parts = urlsplit(base)
    query = _query(template, bound.values)
    said = ((name, _header(template, text, bound.values)) for name, text in template["headers"].items())
    headers: dict[str, str] = {name: value for name, value in said if value is not None}
    body = _body(template, bound.body)
    headers, query = await with_credential(connector, headers, query, secret, token)
    if body is not None:
        headers = _typed(template, headers)
    headers.setdefault("Accept", "application/json, text/*;q=0.5")
    headers["Accept-Encoding"] = "gzip, deflate"
    url = base + _path(template, bound.values) + (f"?{_encoded(template, query)}" if query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Request(template["method"], url, parts.hostname or "", port, headers, body)


def _require_fit(connector: Body, template: Body, bound: Bound) -> None:
    """Raise Failed for a call that nobody has judged."""
    if template["method"] not in connector["allowed_methods"]:
        raise Failed("method-not-allowed", "the connector does not allow this method", "blocked")
    for one in unfit(template, connector, bound.values):
        raise Failed("invalid-value", one.message, "blocked")
    if (schema := template.get("body")) is not None:
        try:
            wrong = body_fault(schema, bound.body)
        except UnusableSchema:
            raise Failed("invalid-schema", "the template's schema of the body can't be used", "blocked") from None
        if wrong is not None:
            raise Failed("invalid-body", f"{wrong.parameter}: {wrong.message}", "blocked")


def _body(template: Body, body: Any) -> bytes | None:
    """Return the body as it is sent. Raises Failed."""
    if template.get("body") is None:
        return None
    encoding = template.get("body_encoding")
    if encoding is None:
        return strict_json.write(body)
    try:
        return form_of(body, encoding)
    except NoForm as error:
        raise Failed("invalid-body", f"body: {error}", "blocked") from None


def _typed(template: Body, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the body's type; a template may name another sort of JSON, and no caller may."""
    own = next((written(said) for name, said in template["headers"].items() if name.lower() == "content-type"), "")
    media = own if _JSON.fullmatch(own) and not template.get("body_encoding") else "application/json"
    media = FORM if template.get("body_encoding") else media
    return {**{name: text for name, text in headers.items() if name.lower() != "content-type"}, "Content-Type": media}


def _path(template: Body, values: Mapping[str, Any]) -> str:
    return "/" + "/".join(filled(segment, values, template) for segment in template["path"].split("/")[1:])


def _query(template: Body, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, said in template["query"].items():
        match = NAME.fullmatch(written(said))
        value = values[match[1]] if match else written(said)
        if match and isinstance(value, list) and separator_of(template, match[1]) is not None:
            found += [(name, joined(template, match[1], value))] if value else []
            continue
        listed = value if isinstance(value, list) else [] if value is None else [value]
        found += [(name, word(one)) for one in listed]
    return found


def _encoded(template: Body, query: list[tuple[str, str]]) -> str:
    """Return the query; a comma that stands between the items of an array is sent as one."""
    has_commas = any(one.get("separator") == "," for one in template["parameters"].values())
    return urlencode(query, safe="," if has_commas else "")


def _header(template: Body, said: Any, values: Mapping[str, Any]) -> str | None:
    match = NAME.fullmatch(written(said))
    if match is None:
        return written(said)
    value = values[match[1]]
    return None if value is None else joined(template, match[1], value)
