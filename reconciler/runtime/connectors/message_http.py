"""One POST of a message over HTTP, to an address that was judged when it was dialled, and what its answer says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp

from reconciler.model.health import REFUSED
from reconciler.runtime.call import REFUSING, Failed
from reconciler.runtime.connectors.guarded import as_it_is, guarded_session, refusal_behind, retry_after
from reconciler.runtime.connectors.message import Undelivered, Way

MOST_BYTES = 65536
"""Of an answer that are read."""
_LIMITED = 429
_PASSING = frozenset({408, 425})
"""Statuses below 500 that ask for another attempt."""


class Reply(NamedTuple):
    """``wait`` is what the other side asks for, in seconds."""

    status: int
    data: bytes
    wait: float | None


async def post(url: str, headers: Mapping[str, str], body: bytes, way: Way) -> Reply:
    """Send one request and return its answer, cut to ``MOST_BYTES``. Raises Undelivered, and Failed for a refused address."""
    if url.partition("://")[0].lower() not in {"http", "https"}:
        raise Undelivered("its URL is none of HTTP")
    try:
        async with (
            guarded_session(way.body["network_exceptions"], way.permits) as session,
            session.post(as_it_is(url), headers=headers, data=body, allow_redirects=False) as response,
        ):
            data = bytearray()
            async for piece in response.content.iter_chunked(MOST_BYTES):
                data += piece
                if len(data) >= MOST_BYTES:
                    response.close()
                    break
            return Reply(response.status, bytes(data[:MOST_BYTES]), retry_after(response))
    except (aiohttp.ClientError, ConnectionError, OSError, ValueError, asyncio.IncompleteReadError) as error:
        if (failed := refusal_behind(error)) is not None:
            raise failed from None
        raise Undelivered("it can't be reached, or ended the connection", code="unreachable") from None


def require_taken(reply: Reply) -> None:
    """Return for a status that says that the message was taken. Raises Undelivered for any other."""
    status = reply.status
    if 200 <= status < 300:
        return
    if status == _LIMITED:
        raise Undelivered("it answers that there are too many requests (429)", wait=reply.wait, code="upstream-limited")
    if status in REFUSING:
        raise Undelivered(f"{REFUSED} ({status})", code="credential-refused")
    raise Undelivered(f"it answers {status}", status >= 500 or status in _PASSING, reply.wait)


def blocked(error: Failed) -> Undelivered:
    """Return a failure of ours as one of an attempt: what is configured may be another one at the next."""
    return Undelivered(str(error), code=error.code)
