"""A connector's own headers and its credential, put into a request at the last moment."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from reconciler.kinds.connector.common import is_reference
from reconciler.model.body import Body
from reconciler.runtime.call import Failed

Secret: TypeAlias = Callable[[str], Awaitable[str]]
"""From a reference to the secret behind it; raises Failed."""
Token: TypeAlias = Callable[[], Awaitable[str]]
"""Returns the access token where the connector has OAuth; raises Failed."""
Query: TypeAlias = list[tuple[str, str]]


async def no_token() -> str:
    """Raise Failed: nothing here fetches access tokens."""
    raise Failed("not-supported", "access tokens can't be fetched here", "blocked")


async def with_credential(
    connector: Body, headers: dict[str, str], query: Query, secret: Secret, token: Token
) -> tuple[dict[str, str], Query]:
    """Return headers and query with what the connector says, which no template and no value can take the place of. Raises Failed."""
    own = {name.lower(): name for name in headers}
    for name, given in connector["headers"].items():
        headers.pop(own.get(name.lower(), ""), None)
        headers[name] = (
            given["plain"] if isinstance(given, dict) else await secret(given) if is_reference(given) else given
        )
    return await _with_auth(connector["auth"], headers, query, secret, token)


async def _with_auth(
    auth: Mapping[str, Any], headers: dict[str, str], query: list[tuple[str, str]], secret: Secret, token: Token
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    kind = auth["type"]
    if kind == "none":
        return headers, query
    if kind == "bearer":
        return {**_without(headers, "Authorization"), "Authorization": f"Bearer {await secret(auth['token'])}"}, query
    if kind == "basic":
        word = b64encode(f"{auth['username']}:{await secret(auth['password'])}".encode()).decode()
        return {**_without(headers, "Authorization"), "Authorization": f"Basic {word}"}, query
    if kind == "api_key":
        key = await secret(auth["key"])
        if auth["in"] == "query":
            return headers, [*((name, value) for name, value in query if name != auth["header"]), (auth["header"], key)]
        return {**_without(headers, auth["header"]), auth["header"]: key}, query
    if kind == "oauth2":
        return {**_without(headers, "Authorization"), "Authorization": f"Bearer {await token()}"}, query
    raise Failed("not-supported", f"authentication by {kind} can't be used yet", "blocked")


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name.lower()}
