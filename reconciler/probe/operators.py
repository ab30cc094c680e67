"""Read what a running server saw of MCP servers, from its operators' API."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from reconciler.errors import ReconcilerError
from reconciler.parallel import within

TOTAL_SECONDS = 120.0
"""For one tenant: the server asks what it has not seen yet."""
MOST_BYTES = 256 * 2**20
_HINTS = {
    401: "the token is not one of `operators.tokens` of its serve.yaml",
    403: "the token needs the scope `operate`",
}


def servers_of(url: str, token: str, tenant: str) -> list[dict[str, Any]]:
    """Return what each MCP server of a tenant's connectors listed. Raises ReconcilerError."""
    address = f"{url.rstrip('/')}/v1/tenants/{tenant}/mcp-servers"
    answer = within(TOTAL_SECONDS, lambda: (_got(address, token),))
    if answer is None:
        raise ReconcilerError(f"the server did not answer within {TOTAL_SECONDS:.0f} s", code="unreachable")
    found = answer[0]
    if isinstance(found, ReconcilerError):
        raise found
    return found


def _got(address: str, token: str) -> list[dict[str, Any]] | ReconcilerError:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with (
            httpx.Client(timeout=TOTAL_SECONDS, follow_redirects=False) as client,
            client.stream("GET", address, headers=headers) as response,
        ):
            if not response.is_success:
                hint = _HINTS.get(response.status_code, "expected the address of the operators' listener")
                return ReconcilerError(f"the server answered {response.status_code}", code="upstream-failed", hint=hint)
            data = bytearray()
            for piece in response.iter_bytes():
                data += piece
                if len(data) > MOST_BYTES:
                    return ReconcilerError("the server's answer is too large", code="too-large")
        servers = orjson.loads(data)["servers"]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return ReconcilerError(f"the server could not be reached ({type(error).__name__})", code="unreachable")
    except (ValueError, UnicodeError, KeyError, TypeError):
        servers = None
    if not isinstance(servers, list):
        hint = "expected the address of the operators' listener"
        return ReconcilerError("the server's answer is no list of MCP servers", code="invalid-response", hint=hint)
    return servers
