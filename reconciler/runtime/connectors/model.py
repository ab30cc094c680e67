"""Providers of models: one request to an address that was judged when it was dialled, and its answer as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.connectors.guarded import Exceptions, as_it_is, guarded_session, refusal_behind
from reconciler.runtime.llm.outgoing import Outgoing

PIECE = 16 * 1024
"""Bytes of a stream that are read at once: each open stream holds a few of them."""
CONNECTIONS = 1000
"""Open connections to one integration."""


class Reply:
    """An answer whose head has arrived. ``status`` and ``headers`` are the provider's; its body comes in pieces."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.is_stream = response.content_type == "text/event-stream"

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises Failed for one that breaks off."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError):
            raise Failed("connection-lost", "the provider ended the connection before its answer") from None

    async def whole(self, most: int) -> bytes:
        """Return all of the body. Raises Failed for one that breaks off, or has more than ``most`` bytes."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > most:
                self.close()
                raise Failed("too-large", "the response is larger than allowed", status=self.status)
        return bytes(found)

    def close(self) -> None:
        """Close the connection, unless the body was read to its end."""
        self._response.close()


class ModelConnection:
    """One session to one integration: connections are kept, cookies and redirects are not."""

    def __init__(self, tenant: str, integration: Resource, around: Surroundings) -> None:
        self._tenant, self._integration, self._around = tenant, integration, around
        self._session: aiohttp.ClientSession | None = None

    async def send(self, outgoing: Outgoing, call: Call) -> Reply:
        """Send a request, and return its answer's head. A refused credential is had anew once. Raises Failed."""
        reply = await self._once(outgoing, call, anew=False)
        if reply.status in {401, 403} and outgoing.reference is not None:
            reply.close()
            reply = await self._once(outgoing, call, anew=True)
        return reply

    async def _once(self, outgoing: Outgoing, call: Call, anew: bool) -> Reply:
        session = self._session = self._session or guarded_session(
            self._exceptions(outgoing.url), self._around.permits, connections=CONNECTIONS, piece=PIECE
        )
        headers = {**outgoing.headers, "accept-encoding": "identity", **await self._credential(outgoing, anew)}
        call.effect = True
        try:
            response = await session.request(
                "POST", as_it_is(outgoing.url), headers=headers, data=outgoing.body, allow_redirects=False
            )
        except (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            if (failed := refusal_behind(error)) is not None:
                call.effect = False  # refused inside of the client: nobody has seen a byte
                raise failed from None
            call.effect = not isinstance(error, aiohttp.ClientConnectorError)
            raise Failed("unreachable", "the provider can't be reached, or ended the connection") from None
        return Reply(response)

    async def _credential(self, outgoing: Outgoing, anew: bool) -> dict[str, str]:
        if outgoing.reference is None:
            return {}
        resolve = self._around.resolve_anew if anew else self._around.resolve
        secret = await resolve(self._tenant, outgoing.reference)
        return {outgoing.key.header: outgoing.key.prefix + secret}

    def _exceptions(self, url: str) -> Exceptions:
        """Return where an integration may go besides public addresses: wherever the server's operator permits."""
        port = as_it_is(url).port
        return [{"cidr": str(network), "port": port} for network in self._around.permits.networks]

    async def run(self, call: Call) -> Answer:
        """Refuse: a model is called by its format."""
        raise Failed("not-supported", "a model is called in its provider's format", "blocked")

    async def ping(self) -> None:
        raise AssertionError  # `runtime/checks.py` asks providers by a probe

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def open_model(tenant: str, integration: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet."""
    return ModelConnection(tenant, integration, around)
