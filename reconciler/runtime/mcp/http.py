"""The transport over HTTP: one request is one POST, with its own deadline and its own bound of bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from itertools import count
from typing import Any, TypeAlias

import aiohttp

from reconciler.codes import Code
from reconciler.runtime.call import Failed, Permits
from reconciler.runtime.connectors.guarded import PIECE, as_it_is, guarded_session, refusal_behind, retry_after
from reconciler.runtime.mcp.channel import TELL_SECONDS, NotSpoken, SessionLost
from reconciler.runtime.mcp.messages import Server, answer_in, head_of, notification, reader_of, request
from reconciler.runtime.threads import aside
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
DRAIN_SECONDS = 1.0
"""How long a stream has to end once its answer was read, so that its connection can be used again."""
_FAULTS = (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, ValueError, RuntimeError)
"""What aiohttp raises for a connection or a response that is no good; RuntimeError once the session was closed."""


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
        self._aside: set[asyncio.Task[None]] = set()

    @property
    def has_ended(self) -> bool:
        return False

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
                    response = await self._post(body, sent)
                    if response.status == 401 and self._renews and not anew:
                        response.close()
                        continue
                    return await self._answer(response, method, identity, server, most)
                raise AssertionError
        except TimeoutError:
            self._cancel(identity, server)
            raise Failed("timeout", "it took too long", "timeout") from None
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # aiohttp cancels who waits for a connection when it closes
                raise _failed(error) from None
            self._cancel(identity, server)
            raise
        except _FAULTS as error:
            raise _failed(error) from None

    async def tell(self, method: str, server: Server) -> None:
        await self._tell(notification(method, {}), server)

    async def _tell(self, message: bytes, server: Server) -> None:
        try:
            async with asyncio.timeout(TELL_SECONDS):
                response = await self._post(message, {**await self._headers(False), **_own(server)})
                response.release()
        except TimeoutError:
            raise Failed("timeout", "it took too long", "timeout") from None
        except _FAULTS as error:
            raise _failed(error) from None

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = guarded_session(self._exceptions, self._permits, decompress=False)
        return await self._session.post(as_it_is(self.reached), data=body, headers=headers, allow_redirects=False)

    async def _answer(
        self, response: aiohttp.ClientResponse, method: str, identity: int, server: Server | None, most: int
    ) -> tuple[dict[str, Any], str]:
        """Return the result and the session. Raises Failed, RpcError, SessionLost, NotSpoken; the response is done with."""
        try:
            await _require_answer(response, server)
            result = await _result(response, method, identity, most)
        except BaseException:
            response.close()
            raise
        session = response.headers.get(SESSION, "")
        if response.content.at_eof():
            response.release()
        else:
            self._run_aside(_drained(response))
        return result, session

    def _cancel(self, identity: int, server: Server | None) -> None:
        """Tell a server with sessions that nobody waits any more; a newer one sees the stream end."""
        if server is not None and not server.is_modern:
            message = notification("notifications/cancelled", {"requestId": identity})
            self._run_aside(self._tell(message, server))

    def _run_aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def close(self) -> None:
        for task in self._aside:
            task.cancel()
        await asyncio.gather(*self._aside, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(Failed):
        await work


async def _drained(response: aiohttp.ClientResponse) -> None:
    """Read what little a stream has after its answer, so that its connection is kept; close one that goes on."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            left = await response.content.read(PIECE)
            while left and len(left) < PIECE and not response.content.at_eof():
                left += await response.content.read(PIECE)
    except (TimeoutError, *_FAULTS):
        pass
    finally:
        if response.content.at_eof():
            response.release()
        else:
            response.close()


def _failed(error: BaseException) -> Failed:
    if (refused := refusal_behind(error)) is not None:
        return refused
    before = isinstance(error, aiohttp.ClientConnectorError)
    message = "the server can't be reached, or ended the connection"
    return Failed("unreachable", message, "blocked" if before else "")


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


async def _require_answer(response: aiohttp.ClientResponse, server: Server | None) -> None:
    """Raise for a status that is no answer. Raises Failed, SessionLost, NotSpoken."""
    status = response.status
    if status == 200:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in {"", "identity"}:
            raise Failed("invalid-response", "the response is encoded in a way that was not asked for", "", status)
        return
    if (
        server is not None
        and server.session
        and (status == 404 or (status == 400 and await _is_about_session(response)))
    ):
        raise SessionLost
    if server is None and status in _NOT_SPOKEN:
        raise NotSpoken
    code, message = _FAILING.get(status, ("upstream-failed", "the server says that it failed"))
    raise Failed(code, message, "failure" if 300 <= status < 500 else "", status, retry_after(response))


async def _is_about_session(response: aiohttp.ClientResponse) -> bool:
    return b"session" in (await response.content.read(PIECE)).lower()


async def _result(response: aiohttp.ClientResponse, method: str, identity: int, most: int) -> dict[str, Any]:
    """Return the result among what a response carries. Raises RpcError, Failed."""
    is_stream = response.content_type.lower() == "text/event-stream"
    async for text in _events(response, most) if is_stream else _whole(response, most):
        head = await aside(len(text), head_of, text)
        if head.method or (head.id != identity and is_stream):
            continue
        try:
            message = await aside(len(text), reader_of(method), text)
        except NotStrict as error:
            raise Failed("invalid-response", f"the server's answer is no strict JSON: {error}", "") from None
        if (found := answer_in(message, identity)) is not None:
            return found
    raise Failed("invalid-response", "the response holds no answer", "")


async def _whole(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        _require_room(len(data), most)
    yield bytes(data)


async def _events(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    """Yield the data of each event that has any. Source: the WHATWG's standard on server-sent events."""
    size, rest, lines = 0, bytearray(), list[bytes]()
    async for piece in response.content.iter_any():
        size += len(piece)
        _require_room(size, most)
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


def _require_room(size: int, most: int) -> None:
    if size > most:
        raise Failed("too-large", "the response is larger than allowed", "")
