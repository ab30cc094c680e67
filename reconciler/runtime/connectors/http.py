"""HTTP APIs: a call turned into one request to an address that was judged when it was dialled, and its answer into JSON."""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.codes import Code
from reconciler.runtime.call import REFUSING, Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.connectors.guarded import PIECE, as_it_is, guarded_session, refusal_behind, retry_after
from reconciler.runtime.connectors.http_request import Request, request_of
from reconciler.runtime.connectors.oauth import Wanted
from reconciler.runtime.threads import aside
from reconciler.runtime.tracing import Attributes, Part, part
from reconciler.strict_json import NotStrict

_PASSING = frozenset({429, 502, 503, 504})
_UPSTREAM_FAILED: tuple[Code, str] = ("upstream-failed", "the API says that it failed")
_BY_STATUS: Mapping[int, tuple[Code, str]] = {
    401: ("credential-refused", "the API refuses the credential"),
    429: ("upstream-limited", "the API says that a limit of its own is used up"),
}
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_CHARSETS = re.compile(
    r"ascii|utf-(?:8(?:-sig)?|(?:16|32)(?:-[bl]e)?)|iso8859-\d+|cp125\d|koi8-[ru]|euc_(?:jp|kr)|shift_jis|gbk|gb2312|gb18030|big5"
)
"""Python's names of the charsets that texts come in. Of its other codecs, some take the square of a text's length (punycode),
and some make characters that are none."""
LONGEST_WAIT = 10.0


class _Reply(NamedTuple):
    """``answer`` is None where the status says that nothing was done; ``retry_after`` the seconds that the API asks for."""

    answer: Answer | None
    status: int
    retry_after: int | None


def _failing(status: int) -> bool:
    """Whether an API says by its status that it refused or failed, so that a call is no success."""
    return status in {401, 429} or status >= 500


def _answered(reply: _Reply) -> Answer:
    """Return the answer. Raises Failed for a status that says that nothing was done: the call may be sent again."""
    if reply.answer is not None:
        return reply.answer
    code, message = _BY_STATUS.get(reply.status, _UPSTREAM_FAILED)
    raise Failed(code, message, "failure", reply.status, reply.retry_after)


async def open_http(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet."""
    return _Http(connector, around)


class _Http:
    """One session: connections are kept, cookies and redirects are not."""

    def __init__(self, connector: Resource, around: Surroundings) -> None:
        self._body, self._around = connector.body, around
        self._session: aiohttp.ClientSession | None = None

    async def run(self, call: Call) -> Answer:
        request = await self._request(call, anew=False)
        again = request.is_safe and self._body["retries"]
        sent = False
        for attempt in range(again + 1):
            last = attempt == again
            try:
                reply = await self._once(call, request)
                sent = True
                if attempt == 0 and self._refuses_credential(reply, request):
                    request = await self._request(call, anew=True)
                    reply = await self._once(call, request)
            except (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError) as error:
                if (failed := refusal_behind(error)) is not None:
                    # refused inside of the client: nobody has seen a byte of this request
                    call.effect = sent
                    raise failed from None
                sent = sent or not isinstance(error, aiohttp.ClientConnectorError)
                if last:
                    outcome = "failure" if isinstance(error, aiohttp.ClientConnectorError) else _after(request)
                    raise Failed("unreachable", "the API can't be reached, or ended the connection", outcome) from None
                wait = 0.2 * 2**attempt
            else:
                if last or reply.status not in _PASSING:
                    return _answered(reply)
                wait = min(0.2 if reply.retry_after is None else reply.retry_after, LONGEST_WAIT)
            if asyncio.get_running_loop().time() + wait >= call.deadline:
                raise Failed("timeout", "it took too long", "timeout")
            await asyncio.sleep(wait)
        raise AssertionError

    async def _request(self, call: Call, anew: bool) -> Request:
        """Return the request; ``anew``: the credential that was sent was refused. Raises Failed."""

        async def token() -> str:
            wanted = Wanted(call.tenant, call.connector.known.uid, self._body, call.subject)
            found: str = await self._around.tokens.token(wanted, self._around, anew)
            return found

        return await request_of(call, self._around.resolve_anew if anew else self._around.resolve, token)

    async def ping(self) -> None:
        raise AssertionError  # `runtime/checks.py` asks HTTP APIs by a probe

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _refuses_credential(self, reply: _Reply, request: Request) -> bool:
        """Whether another credential may help, and sending the request again changes nothing."""
        return reply.status in REFUSING and request.is_safe and self._body["auth"]["type"] != "none"

    async def _once(self, call: Call, request: Request) -> _Reply:
        with part("http-client", request.method, _attributes, call, request) as tried:
            return await self._sent(call, request, tried)

    async def _sent(self, call: Call, request: Request, tried: Part) -> _Reply:
        session = self._session = self._session or guarded_session(
            self._body["network_exceptions"], self._around.permits
        )
        most = min(
            call.operation.body.get("max_response_bytes") or self._body["max_response_bytes"],
            self._body["max_response_bytes"],
        )
        call.effect = True
        async with session.request(
            request.method,
            as_it_is(request.url),
            headers=tried.beside(request.headers),
            data=request.body,
            allow_redirects=False,
        ) as response:
            tried.note({"http.response.status_code": response.status})
            seconds = retry_after(response)
            if response.status >= 400:
                tried.fail(str(response.status))
            if _failing(response.status):
                return _Reply(None, response.status, seconds)
            if why := _unreadable(response):
                response.close()
                raise Failed("invalid-response", why, _after(request), response.status)
            data = bytearray()
            async for piece in response.content.iter_chunked(PIECE):
                data += piece
                if len(data) > most:
                    response.close()
                    raise Failed("too-large", "the response is larger than allowed", _after(request), response.status)
            content = {"status": response.status, "body": await aside(len(data), _content, data, response, request)}
            return _Reply(Answer(content, None, len(data), status=response.status), response.status, seconds)


def _attributes(call: Call, request: Request) -> Attributes:
    """Return what a trace shows of a request: the path as the template has it, since the one that is sent holds values."""
    return {
        "http.request.method": request.method,
        "url.template": call.operation.body["path"],
        "server.address": request.host,
        "server.port": request.port,
    }


def _after(request: Request) -> str:
    return "failure" if request.is_safe else "unknown"


def _unreadable(response: aiohttp.ClientResponse) -> str:
    """Return why a response can't be read as an answer; "" where it can."""
    if response.status < 200:
        return "the API gave no final answer"
    if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
        return "the response is encoded in a way that was not asked for"
    return ""


def _decoded(data: bytearray, charset: str) -> str:
    """Return the text of a response. Raises LookupError or ValueError for one of another charset, or of other bytes."""
    name = codecs.lookup(charset).name
    if not _CHARSETS.fullmatch(name):
        raise LookupError(name)
    return data.decode(name)


def _content(data: bytearray, response: aiohttp.ClientResponse, request: Request) -> Any:
    kind = response.content_type.lower()
    try:
        text = _decoded(data, response.charset or "utf-8")
    except (LookupError, ValueError):
        raise Failed("invalid-response", "the response is no text", _after(request), response.status) from None
    if not text:
        return None
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return strict_json.read(text)
        except NotStrict as error:
            message = f"the response says that it is JSON: {error}"
            raise Failed("invalid-response", message, _after(request), response.status) from None
    if kind.startswith("text/"):
        return text
    raise Failed("invalid-response", "the response is neither JSON nor text", _after(request), response.status)
