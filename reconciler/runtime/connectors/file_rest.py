"""Requests to stores of files over a guarded session: small answers as bytes, files as pieces, statuses as failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import aiohttp

from reconciler.codes import Code
from reconciler.model.body import Body
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.file_store import PIECE, Opened, not_found, unmeasured
from reconciler.runtime.connectors.guarded import CONNECTIONS, as_it_is, guarded_session, refusal_behind, retry_after

MOST_SAID = 16 * 1024 * 1024
"""Bytes of an answer that is no file: one page of a list."""
_BY_STATUS: Mapping[int, tuple[Code, str]] = {
    401: ("credential-refused", "the store refuses the credential"),
    403: ("credential-refused", "the store refuses the credential"),
    429: ("upstream-limited", "the store says that a limit of its own is used up"),
}
MISSING = 404


class Request(NamedTuple):
    """One request; ``url`` is encoded as it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    data: bytes | None = None


class Rest:
    """One session of one connector: connections are kept, cookies and redirects are not."""

    def __init__(self, connector: Body, around: Surroundings) -> None:
        self._body, self._around = connector, around
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request, most: int = MOST_SAID) -> bytes:
        """Return the answer to a request. Raises Failed; of one that changes something it says when that is open."""
        outcome = "failure" if request.method in {"GET", "HEAD"} else "unknown"
        with _explained(outcome):
            async with self._sent(request) as response:
                require_good(response, outcome)
                data = bytearray()
                async for piece in response.content.iter_chunked(PIECE):
                    data += piece
                    if len(data) > most:
                        raise Failed("too-large", "the answer is larger than allowed", outcome)
                return bytes(data)

    @asynccontextmanager
    async def opened(self, request: Request) -> AsyncIterator[Opened]:
        """Open a file. Raises Failed with `no-such-file` for none."""
        with _explained("failure"):
            async with self._sent(request) as response:
                if response.status == MISSING:
                    raise not_found()
                require_good(response, "failure")
                if response.content_length is None:
                    raise unmeasured()
                said = response.headers.get("Content-Type", "")
                yield Opened(response.content_length, said, _pieces(response))
                response.close()  # what was not read is not waited for

    @asynccontextmanager
    async def _sent(self, request: Request) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        session = self._session = self._session or guarded_session(
            self._body["network_exceptions"], self._around.permits, False, CONNECTIONS, PIECE
        )
        async with session.request(
            request.method,
            as_it_is(request.url),
            headers={"Accept-Encoding": "identity", **request.headers},
            data=request.data,
            allow_redirects=False,
        ) as response:
            yield response

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    with _explained("failure"):
        async for piece in response.content.iter_chunked(PIECE):
            yield piece


def require_good(response: aiohttp.ClientResponse, outcome: str) -> None:
    """Raise Failed for a status that is no success; one below 500 says that nothing was done."""
    status = response.status
    if 200 <= status < 300:
        return
    code, message = _BY_STATUS.get(status, ("upstream-failed", "the store says that it failed"))
    raise Failed(code, message, outcome if status >= 500 else "failure", status, retry_after(response))


@contextmanager
def _explained(outcome: str) -> Iterator[None]:
    """Turn errors of the session into failures; nobody has seen a byte where no connection was made."""
    try:
        yield
    except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError, OSError, ValueError) as error:
        if isinstance(error, TimeoutError):
            raise
        if (refused := refusal_behind(error)) is not None:
            raise refused from None
        dialled = not isinstance(error, aiohttp.ClientConnectorError)
        message = "the store can't be reached, or ended the connection"
        raise Failed("unreachable", message, outcome if dialled else "failure") from None
