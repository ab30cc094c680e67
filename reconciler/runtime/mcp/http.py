"""The transport over HTTP: one request is one POST, with its own deadline and its own bound of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import count
from typing import Any, TypeAlias

import aiohttp

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.runtime.call import Failed, Permits
from reconciler.runtime.connectors.guarded import PIECE, as_it_is, guarded_session, refusal_behind
from reconciler.runtime.mcp.channel import NotSpoken, SessionLost
from reconciler.runtime.mcp.messages import Server, answer_in, notification, request
from reconciler.strict_json import NotStrict

Headers: TypeAlias = Callable[[bool], Awaitable[dict[str, str]]]
"""Returns the headers with the credential; true asks for one that is not the one that was refused. Raises Failed."""
_FAILING: Mapping[int, tuple[Code, str]] = {
    401: ("credential-refused", "the server refuses the credential"),
    403: ("credential-refused", "the server refuses the credential"),
    429: ("upstream-limited", "the server says that a limit of its own is used up"),
}
_NOT_SPOKEN = frozenset(range(400, 500)) - frozenset({401, 403, 408, 429})
SESSION = "Mcp-Session-Id"


class HttpChannel:
    """Connections are kept; what a session of the protocol is, its caller knows."""

    def __init__(
        self, url: str, headers: Headers, exceptions: list[Mapping[str, Any]], permits: Permits, renews: bool
    ) -> None:
        self.reached, self.changed = url, False
        self._headers, self._renews = headers, renews
        self._exceptions, self._permits = exceptions, permits
        self._session: aiohttp.ClientSession | None = None
        self._ids = count(1)

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        server: Server | None,
        deadline: float,
        most: int,
        headers: Mapping[str, str],
    ) -> tuple[dict[str, Any], str]:
        identity = next(self._ids)
        body = request(identity, method, params)
        try:
            async with asyncio.timeout_at(deadline):
                for anew in (False, True):
                    sent = {**await self._headers(anew), **_own(server), **headers}
                    async with self._post(body, sent) as response:
                        if response.status == 401 and self._renews and not anew:
                            continue
                        _require_answer(response, server)
                        result = await _result(response, identity, most)
                        return result, response.headers.get(SESSION, "")
                raise AssertionError
        except TimeoutError:
            raise Failed("timeout", "it took too long", "timeout") from None
        except (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            if (failed := refusal_behind(error)) is not None:
                raise failed from None
            before = isinstance(error, aiohttp.ClientConnectorError)
            raise Failed(
                "unreachable", "the server can't be reached, or ended the connection", "blocked" if before else ""
            ) from None

    async def tell(self, method: str, server: Server) -> None:
        sent = {**await self._headers(False), **_own(server)}
        async with self._post(notification(method, {}), sent):
            return

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Any:
        if self._session is None:
            self._session = guarded_session(self._exceptions, self._permits, decompress=False)
        return self._session.post(as_it_is(self.reached), data=body, headers=headers, allow_redirects=False)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _own(server: Server | None) -> dict[str, str]:
    found = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Accept-Encoding": "identity",
    }
    if server is not None:
        found["MCP-Protocol-Version"] = server.protocol
        if server.session:
            found[SESSION] = server.session
    return found


def _require_answer(response: aiohttp.ClientResponse, server: Server | None) -> None:
    """Raise for a status that is no answer. Raises Failed, SessionLost, NotSpoken."""
    status = response.status
    if status == 200:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in {"", "identity"}:
            raise Failed("invalid-response", "the response is encoded in a way that was not asked for", "", status)
        return
    if status in {400, 404} and server is not None and server.session:
        raise SessionLost
    if server is None and status in _NOT_SPOKEN:
        raise NotSpoken
    asked = response.headers.get("Retry-After", "")
    retry_after = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else None
    code, message = _FAILING.get(status, ("upstream-failed", "the server says that it failed"))
    raise Failed(code, message, "failure" if status < 500 else "", status, retry_after)


async def _result(response: aiohttp.ClientResponse, identity: int, most: int) -> dict[str, Any]:
    """Return the result among what a response carries. Raises RpcError, Failed."""
    kind = response.content_type.lower()
    texts = _events(response, most) if kind == "text/event-stream" else _whole(response, most)
    async for text in texts:
        try:
            found = answer_in(strict_json.read(text), identity)
        except NotStrict as error:
            response.close()
            raise Failed("invalid-response", f"the server's answer is no strict JSON: {error}", "") from None
        if found is not None:
            response.close()  # a server may keep a stream open after its answer
            return found
    raise Failed("invalid-response", "the response holds no answer", "")


async def _whole(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    data = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        data += piece
        _require_room(response, len(data), most)
    yield bytes(data)


async def _events(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    """Yield the data of each event that has any. Source: the WHATWG's standard on server-sent events."""
    size, rest, lines = 0, bytearray(), list[bytes]()
    async for piece in response.content.iter_chunked(PIECE):
        size += len(piece)
        _require_room(response, size, most)
        rest += piece
        if b"\n" not in piece:
            continue
        *whole, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        for line in (one.removesuffix(b"\r") for one in whole):
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
            elif not line and lines:
                data, lines = b"\n".join(lines), []
                if data.strip():
                    yield data


def _require_room(response: aiohttp.ClientResponse, size: int, most: int) -> None:
    if size > most:
        response.close()
        raise Failed("too-large", "the response is larger than allowed", "")
