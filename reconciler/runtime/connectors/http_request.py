"""An http template and the values of a call, turned into a request whose host, path and headers nobody can bend."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from msgspec import Struct
from referencing import Registry
from referencing.exceptions import Unresolvable

from reconciler import strict_json
from reconciler.kinds.connector.common import is_reference
from reconciler.runtime.call import Call, Failed, Resolve

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})
MOST_BODY = 1024 * 1024
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Request(Struct, frozen=True):
    """``secrets`` are what was resolved for it: the answer must not hold them."""

    method: str
    url: str
    host: str
    port: int
    headers: Mapping[str, str]
    body: bytes | None
    secrets: tuple[str, ...]

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE


async def request_of(call: Call, resolve: Resolve) -> Request:
    """Secrets are fetched here, at the last moment. Raises Failed."""
    connector, template = call.connector.body, call.operation.body
    method = template["method"]
    if method not in connector["allowed_methods"]:
        raise Failed("method-not-allowed", "the connector does not allow this method", "blocked")
    base = connector["base_url"].rstrip("/")
    parts = urlsplit(base)
    query = _query(template["query"], call.values)
    if any(name.lower() in _OURS for name in template["headers"]):
        raise Failed("invalid-header", "a template sets no such header", "blocked")
    said = ((name, _header(text, call.values)) for name, text in template["headers"].items())
    headers: dict[str, str] = {name: value for name, value in said if value is not None}
    body = _body(call) if template.get("body") is not None else None
    secrets: list[str] = []

    async def secret(reference: str) -> str:
        found = await resolve(call.tenant, reference)
        secrets.append(found)
        return found

    # what the connector says comes last: no template, and no value, can take its place
    own = {name.lower(): name for name in headers}
    for name, given in connector["headers"].items():
        headers.pop(own.get(name.lower(), ""), None)
        headers[name] = (
            given["plain"] if isinstance(given, dict) else await secret(given) if is_reference(given) else given
        )
    headers, query = await _with_auth(connector["auth"], headers, query, secret, secrets)
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers.setdefault("Accept", "application/json, text/*;q=0.5")
    headers["Accept-Encoding"] = "gzip, deflate"
    url = base + _path(template["path"], call.values) + (f"?{urlencode(query)}" if query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Request(
        method, url, parts.hostname or "", port, headers, body, tuple(one for one in secrets if len(one) >= 6)
    )


async def _with_auth(
    auth: Mapping[str, Any], headers: dict[str, str], query: list[tuple[str, str]], secret: Any, secrets: list[str]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    kind = auth["type"]
    if kind == "none":
        return headers, query
    if kind == "bearer":
        return {**_without(headers, "Authorization"), "Authorization": f"Bearer {await secret(auth['token'])}"}, query
    if kind == "basic":
        word = b64encode(f"{auth['username']}:{await secret(auth['password'])}".encode()).decode()
        secrets.append(word)
        return {**_without(headers, "Authorization"), "Authorization": f"Basic {word}"}, query
    if kind == "api_key":
        key = await secret(auth["key"])
        if auth["in"] == "query":
            return headers, [*((name, value) for name, value in query if name != auth["header"]), (auth["header"], key)]
        return {**_without(headers, auth["header"]), auth["header"]: key}, query
    raise Failed("not-supported", f"authentication by {kind} can't be used yet", "blocked")


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name.lower()}


def _path(text: str, values: Mapping[str, Any]) -> str:
    """Each value is one piece of its segment: encoded, so that it can't end it, and no segment is empty or climbs."""
    segments = []
    for segment in text.split("/")[1:]:
        filled = _NAME.sub(lambda match: quote(_word(values[match[1]]), safe=""), segment)
        if segment and (not filled or filled in {".", ".."}):
            raise Failed("invalid-value", "a value makes a part of the path empty, or a step up", "blocked")
        segments.append(filled)
    return "/" + "/".join(segments)


def _query(query: Mapping[str, str], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, text in query.items():
        match = _NAME.fullmatch(text)
        value = values[match[1]] if match else text
        listed = value if isinstance(value, list) else [] if value is None else [value]
        found += [(name, _word(one)) for one in listed]
    return found


def _header(text: str, values: Mapping[str, Any]) -> str | None:
    match = _NAME.fullmatch(text)
    if match is None:
        return text
    value = values[match[1]]
    if value is None:
        return None
    word = _word(value)
    if _CONTROL.search(word) or not word.isascii():
        raise Failed("invalid-value", "a header's value has plain characters only", "blocked")
    return word


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _body(call: Call) -> bytes:
    """What the caller gives, once it is what the template's schema says; nothing is fetched for that."""
    try:
        schema = call.operation.body["body"]
        errors = Draft202012Validator(schema, registry=Registry()).iter_errors(call.body)
        wrong = next(iter(errors), None)
    except (SchemaError, Unresolvable, RecursionError):
        raise Failed("invalid-schema", "the template's schema of the body can't be used", "blocked") from None
    except (TypeError, ArithmeticError):
        # a number of more digits than a float has, held against a schema's `multipleOf`
        raise Failed("invalid-body", "a number of the body has too many digits to be judged", "blocked") from None
    if wrong is not None:
        where = "/".join(str(part) for part in wrong.absolute_path if isinstance(part, int) or str(part) in str(schema))
        raise Failed("invalid-body", f"the body is not what it has to be, at {where or 'its top'}", "blocked")
    body = strict_json.write(call.body)
    if len(body) > MOST_BODY:
        raise Failed("invalid-body", f"a body has at most {MOST_BODY} bytes", "blocked")
    return body
