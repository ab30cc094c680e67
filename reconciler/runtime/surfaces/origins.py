"""Pages in browsers: which Origin headers a listener takes, and what its answers say to a page (CORS, Fetch Standard 3.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

from reconciler.load.serve_file import Listener

METHODS = ("GET", "POST", "DELETE")
REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "X-Run-Id", "Last-Event-ID"),
    *("MCP-Protocol-Version", "Mcp-Session-Id", "Mcp-Method", "Mcp-Name"),
)
"""What a page may send, besides what any page may."""
ANSWER_HEADERS = (
    *("WWW-Authenticate", "Retry-After", "X-Cut", "Idempotency-Replayed", "MCP-Protocol-Version", "Mcp-Session-Id"),
)
"""What a page may read, besides what any page may."""
MAX_AGE_SECONDS = 600
LOOPBACK_HOST = r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?"
_IS_LOOPBACK_ORIGIN = re.compile(f"https?://{LOOPBACK_HOST}")


def takes_loopback_pages(listener: Listener) -> bool:
    """Whether pages of this machine may ask a listener: it listens to this machine alone."""
    host = str(listener.host)
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_origin(origin: str) -> bool:
    """Whether an Origin header names a page of this machine."""
    return _IS_LOOPBACK_ORIGIN.fullmatch(origin) is not None


class Origins:
    """The pages that may ask a listener: those of ``allowed_origins``, and of this machine where it is asked by that alone."""

    def __init__(self, listener: Listener) -> None:
        self._allowed = frozenset(listener.allowed_origins)
        self._is_local = takes_loopback_pages(listener)

    def takes(self, origin: str) -> bool:
        return origin in self._allowed or (self._is_local and is_loopback_origin(origin))


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks what a page may send; such a request has no credential."""
    return method == "OPTIONS" and b"access-control-request-method" in headers


def preflight() -> Response:
    """Return the answer to a page that may ask."""
    said = {
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Allow-Headers": ", ".join(REQUEST_HEADERS),
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }
    return Response(status_code=204, headers=said)


def readable(send: Send, origin: str) -> Send:
    """Return a sender whose answers the page may read, refusals too."""

    async def sends(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=[*message["headers"]])
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = ", ".join(ANSWER_HEADERS)
            headers.add_vary_header("Origin")
            message = {**message, "headers": headers.raw}
        await send(message)

    return sends
