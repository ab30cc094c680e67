"""What every request goes through: its Host and Origin, its size, and who it comes from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.load.serve_file import Listener
from reconciler.runtime.source import Stale
from reconciler.runtime.surfaces.problem import problem
from reconciler.strict_json import NotStrict

MOST_BYTES = 1024 * 1024
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
OPEN = frozenset({"/healthz", "/readyz", "/openapi.json"})
Prove = Callable[[str], Awaitable[Any]]
"""From the Authorization header, "" where there is none."""
_LOOKED_AT = (b"host", b"origin", b"content-length")


class Guard:
    """``prove`` turns what a request says of itself into who it comes from, None for nobody; found again in ``scope["who"]``."""

    def __init__(self, app: ASGIApp, listener: Listener, prove: Prove, refused: Callable[[str], None]) -> None:
        self._app, self._prove, self._refused = app, prove, refused
        self._hosts = frozenset({*LOOPBACK, *(host.lower() for host in listener.allowed_hosts)})
        self._origins = frozenset(listener.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # of several of a name, the first counts
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        answer = self._foreign({name: headers[name].decode("latin-1") for name in _LOOKED_AT if name in headers})
        if answer is None and scope["path"] not in OPEN:
            try:
                scope["who"] = await self._prove(headers.get(b"authorization", b"").decode("latin-1"))
            except Stale:  # an outage is no wrong key: whoever asks shall come again with the same one
                self._refused("unavailable")
                answer = problem(503, "unavailable", "What is in force is not known.", {"Retry-After": "1"})
            except Exception:
                scope["who"] = None
            if answer is None and scope["who"] is None:
                self._refused("unauthenticated")
                answer = problem(401, "unauthenticated", "Say who you are.", {"WWW-Authenticate": "Bearer"})
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)

    def _foreign(self, headers: Mapping[bytes, str]) -> Response | None:
        host = headers.get(b"host", "").lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name not in self._hosts and host not in self._hosts:
            self._refused("host")
            return problem(421, "wrong-host", "This server does not answer under that name.")
        origin = headers.get(b"origin")
        if origin is not None and origin not in self._origins:
            self._refused("origin")
            return problem(403, "wrong-origin", "Pages of that origin may not ask here.")
        length = headers.get(b"content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BYTES:
            return problem(413, "too-large", f"A request has at most {MOST_BYTES} bytes.")
        return None


class TooLarge(Exception):
    """More came than was announced, or allowed."""


def _bounded(receive: Receive) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BYTES:
            raise TooLarge
        return message

    return bounded


class BadRequest(Exception):
    """What came is no JSON object."""

    def __init__(self, status: int, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.answer = problem(status, code, detail)


async def json_object(request: Request) -> dict[str, Any]:
    """The body of a request; an empty one is an empty object. Raises BadRequest."""
    try:
        body = await request.body()
    except TooLarge:
        raise BadRequest(413, "too-large", f"A request has at most {MOST_BYTES} bytes.") from None
    if not body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "wrong-media-type", "Send JSON, as application/json.")
    try:
        found = strict_json.read(body)
    except NotStrict as error:
        raise BadRequest(400, "invalid-json", f"Send strict JSON: {error}.") from None
    if not isinstance(found, dict):
        raise BadRequest(400, "invalid-json", "Send a JSON object.")
    return found
