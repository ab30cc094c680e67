"""Requests to stores of vectors: JSON over a guarded session, bounded in time and bytes; and what every store is held to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import aiohttp

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.model.body import Body
from reconciler.runtime.call import REFUSING, Call, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.guarded import PIECE, as_it_is, guarded_session, refusal_behind, retry_after
from reconciler.runtime.connectors.vector_asked import Condition, Match
from reconciler.runtime.deadline import until
from reconciler.runtime.threads import aside
from reconciler.runtime.tracing import part
from reconciler.strict_json import NotStrict

K = TypeVar("K")
T = TypeVar("T")
MOST_LOOKED_UP = 1024 * 1024
"""Bytes of an answer that no caller sees: a description of a collection."""
KNOWN_SECONDS = 60.0
"""How long what a store said of a collection is used."""
_BY_STATUS: Mapping[int, tuple[Code, str]] = {
    401: ("credential-refused", "the store refuses the credential"),
    403: ("credential-refused", "the store refuses the credential"),
    404: ("upstream-failed", "the store has no such collection"),
    429: ("upstream-limited", "the store says that a limit of its own is used up"),
}


class Request(NamedTuple):
    """One request below the store's address. ``name`` is its path without names, for traces; ``writes``: it may change something."""

    method: str
    path: str
    name: str
    body: Any = None
    writes: bool = False


class Remembered(Generic[K, T]):
    """What a store said of its collections, each for `KNOWN_SECONDS`."""

    def __init__(self) -> None:
        self._kept: dict[K, tuple[float, T]] = {}

    def get(self, key: K) -> T | None:
        until, found = self._kept.get(key, (0.0, None))
        return found if until > time.monotonic() else None

    def keep(self, key: K, found: T) -> None:
        self._kept[key] = (time.monotonic() + KNOWN_SECONDS, found)

    def forget(self) -> None:
        """Forget all: a collection may have been made anew."""
        self._kept.clear()


class Rest:
    """One session: connections are kept, cookies and redirects are not.

    ``header`` carries the key, where there is one; ``headers`` go along with every request.
    """

    def __init__(
        self,
        tenant: str,
        body: Body,
        around: Surroundings,
        header: str,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._tenant, self._body, self._around, self._header = tenant, body, around, header
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request, most: int, call: Call | None = None) -> tuple[Any, int]:
        """Return the answer's JSON and its bytes. Raises Failed. A refused key is resolved anew, and the request sent once more."""
        try:
            if call is None:
                return await self._asked(request, most, None)
            with until(call.deadline):
                return await self._asked(request, most, call)
        except TimeoutError:
            raise Failed("timeout", "it took too long", _after(request, "timeout")) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _asked(self, request: Request, most: int, call: Call | None) -> tuple[Any, int]:
        key = self._body.get("api_key")
        for is_anew, resolve in ((False, self._around.resolve), (True, self._around.resolve_anew)):
            headers = {"accept": "application/json", "accept-encoding": "identity", **self._headers}
            if key is not None:
                headers[self._header] = await resolve(self._tenant, key)
            found = await self._sent(request, headers, most, call, is_last=is_anew or key is None)
            if found is not None:
                return found
        raise AssertionError

    async def _sent(
        self, request: Request, headers: dict[str, str], most: int, call: Call | None, is_last: bool
    ) -> tuple[Any, int] | None:
        """Return an answer; None for a refused key that may have been replaced. Raises Failed."""
        data = _written(request)
        if data is not None:
            headers["content-type"] = "application/json"
        with part("http-client", request.method, lambda: {"url.template": request.name}) as tried:
            try:
                session = self._session = self._session or guarded_session(
                    self._body["network_exceptions"], self._around.permits, decompress=False
                )
                before, effect = (call.effect, True) if call is not None else (False, True)
                if call is not None:
                    call.effect = effect
                async with session.request(
                    request.method,
                    as_it_is(self._body["url"].rstrip("/") + request.path),
                    headers=tried.beside(headers),
                    data=data,
                    allow_redirects=False,
                ) as response:
                    tried.note({"http.response.status_code": response.status})
                    if response.status in REFUSING and not is_last:
                        response.close()
                        return None
                    _require_good(request, response)
                    return await _read(request, response, most)
            except (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError, ValueError) as error:
                if call is not None and (refusal_behind(error) or isinstance(error, aiohttp.ClientConnectorError)):
                    call.effect = before  # nobody has seen a byte of this request
                if (failed := refusal_behind(error)) is not None:
                    raise failed from None
                sent = not isinstance(error, aiohttp.ClientConnectorError)
                outcome = _after(request, "failure") if sent else "failure"
                raise Failed("unreachable", "the store can't be reached, or ended the connection", outcome) from None


def _written(request: Request) -> bytes | None:
    """Return the body of a request. Raises Failed for values that JSON can't hold."""
    try:
        return None if request.body is None else strict_json.write(request.body)
    except NotStrict as error:
        raise Failed("invalid-value", str(error), "blocked") from None


def _require_good(request: Request, response: aiohttp.ClientResponse) -> None:
    """Raise Failed for a status that is no success."""
    status = response.status
    if 200 <= status < 300:
        return
    seconds = retry_after(response)
    response.close()
    code, message = _BY_STATUS.get(status, ("upstream-failed", "the store refuses or fails the request"))
    outcome = _after(request, "failure") if status >= 500 else "failure"
    raise Failed(code, message, outcome, status, seconds)


async def _read(request: Request, response: aiohttp.ClientResponse, most: int) -> tuple[Any, int]:
    """Return the JSON of an answer, and its bytes. Raises Failed."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        response.close()
        raise Failed(
            "invalid-response", "the answer is encoded in a way that was not asked for", _after(request, "failure")
        )
    data = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        data += piece
        if len(data) > most:
            response.close()
            raise Failed("too-large", "the answer is larger than allowed", _after(request, "failure"))
    try:
        return await aside(len(data), _json, data), len(data)
    except (NotStrict, UnicodeDecodeError, RecursionError):
        raise Failed("invalid-response", "the answer is no JSON", _after(request, "failure")) from None


def _json(data: bytearray) -> Any:
    return strict_json.read(data.decode()) if data else None


def _after(request: Request, otherwise: str) -> str:
    """Return the outcome of a request whose effect nobody knows."""
    return "unknown" if request.writes else otherwise


def understood(read: Callable[[], T]) -> T:
    """Return what is read of an answer. Raises Failed for one of another form."""
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        raise Failed("invalid-response", "the answer has another form than the store documents") from None


def within(matches: Sequence[Match], own: Sequence[Condition], fields: Sequence[str], top_k: int) -> list[Match]:
    """Return at most ``top_k`` matches with the fields that were asked for. Raises Failed for one that is not the datasource's.

    A store that does not know a part of a filter may ignore it in silence: what comes is held against the datasource once more.
    """
    for one in matches:
        if not holds(one.payload, own):
            raise Failed("invalid-response", "the store found what is not the datasource's")
    return [one._replace(payload={name: at(one.payload, name) for name in fields}) for one in matches[:top_k]]


def holds(payload: Mapping[str, Any], own: Sequence[Condition]) -> bool:
    """Whether what lies beside a vector is among what the datasource holds."""
    return all(_is(at(payload, one.field), one.values) for one in own)


def require_own(payloads: Iterable[Mapping[str, Any]], own: Sequence[Condition]) -> None:
    """Raise ValuesRefused where a vector of an id that is to be written is not among what the datasource holds."""
    if not all(holds(one, own) for one in payloads):
        raise ValuesRefused("query-failed", "the store refuses this id: it is in use outside of the datasource")


def _is(found: Any, values: Sequence[Any]) -> bool:
    listed = found if isinstance(found, list) else [found]  # stores search in lists, too
    return any(isinstance(one, bool) == isinstance(value, bool) and one == value for one in listed for value in values)


def at(payload: Mapping[str, Any], name: str) -> Any:
    """Return a field, by its name or by the path that its name is; None without it."""
    if name in payload:
        return payload[name]
    found: Any = payload
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
