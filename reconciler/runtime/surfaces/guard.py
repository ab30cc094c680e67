"""The guard of every request: it checks Host and Origin, authenticates the caller, caps open requests and counts outcomes."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.load.serve_file import DoorSettings, Listener
from reconciler.runtime.identity import Unprovable
from reconciler.runtime.logs import Trouble
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.surfaces.discovery import METADATA_PATHS
from reconciler.runtime.surfaces.exchange import Exchange
from reconciler.runtime.surfaces.llm_paths import credential_of, shaped
from reconciler.runtime.surfaces.origins import Origins, is_preflight, preflight, readable
from reconciler.runtime.surfaces.problem import REFUSED, ProblemJson, problem

log = logging.getLogger("reconciler.runtime")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MOST_BYTES = 1024 * 1024
OPEN = frozenset({"/healthz", "/readyz", "/openapi.json", *METADATA_PATHS})
CHECK_SECONDS = 0.25
"""How often each open stream is held to its credential."""


class Entrance(Protocol):
    """How one listener knows who asks."""

    async def prove(self, authorization: str) -> Any:
        """Return who an Authorization header ("" without one) proves, None for nobody. Raises Unprovable."""

    def is_frozen(self, who: Any) -> bool:
        """Whether an operator has frozen the caller itself. Raises Unprovable."""

    def challenge(self, path: str, host: str, has_credential: bool) -> str:
        """Return the value of WWW-Authenticate for somebody who is not known."""

    def wants(self, path: str) -> str:
        """Return in a sentence which credential a path is for."""

    def surface(self, path: str) -> str:
        """Return which of the surfaces a path belongs to, as metrics name it."""

    def tenant(self, who: Any) -> str:
        """Return the tenant that metrics count for; "" for none."""


class Guard:
    """An ASGI application before another; who is proved is found again in ``scope["who"]``."""

    def __init__(
        self, app: ASGIApp, listener: Listener, settings: DoorSettings, entrance: Entrance, metrics: Metrics
    ) -> None:
        self._app, self._settings, self._entrance, self._metrics = app, settings, entrance, metrics
        self._hosts = frozenset({*LOOPBACK, *(host.lower() for host in listener.allowed_hosts)})
        self._origins = Origins(listener)
        self._open: set[Exchange] = set()
        self._of_caller: Counter[Any] = Counter()
        self._stopping = False
        self._trouble = Trouble(log, "a credential could not be checked: %s")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # of several of a name, the first counts
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        answer = self._foreign(headers)
        if answer is None and b"origin" in headers:
            send = readable(send, headers[b"origin"].decode("latin-1"))
            if is_preflight(scope["method"], headers):
                answer = preflight()
        exchange = Exchange(scope, send, credential_of(scope["path"], headers))
        if answer is None and scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            await (
                self._enter(exchange, receive)
                if answer is None
                else shaped(scope, answer)(scope, receive, exchange.send)
            )
        finally:
            self._count(exchange)

    async def _enter(self, exchange: Exchange, receive: Receive) -> None:
        """Admit a request and hand it on, or answer why not."""
        self._open.add(exchange)
        key = None
        try:
            answer = self._full() or await self._unproved(exchange)
            if answer is None:
                key = self._key(exchange.who)
                self._of_caller[key] += 1
                if self._of_caller[key] > self._settings.requests_per_caller:
                    detail = "This caller has too many open requests."
                    answer = problem(429, "too-many-requests", detail, {"Retry-After": "1"})
            app = self._app if answer is None else shaped(exchange.scope, answer)
            await app(exchange.scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.gone = True
        except asyncio.CancelledError:
            if exchange.ended is None:
                raise
            await exchange.finish()
        finally:
            self._open.discard(exchange)
            if key is not None:
                self._of_caller[key] -= 1
                if not self._of_caller[key]:
                    del self._of_caller[key]

    def _key(self, who: Any) -> tuple[str, str]:
        return self._entrance.tenant(who), who.name

    def _full(self) -> Response | None:
        if self._stopping:
            return _stopping()
        if len(self._open) > self._settings.requests:
            return problem(503, "overloaded", "The server has too many open requests.", {"Retry-After": "1"})
        return None

    async def _unproved(self, exchange: Exchange) -> ProblemJson | None:
        """Find out who asks; return the answer to somebody who can't be known."""
        try:
            who = await self._entrance.prove(exchange.authorization)
            self._trouble.ends()
        except Unprovable:  # whoever asks shall come again with the same credential
            return _unavailable()
        except Exception as error:
            self._trouble.occurs(type(error).__name__)
            return _unavailable()
        if who is None:
            host = next((value for name, value in exchange.scope["headers"] if name == b"host"), b"")
            challenge = self._entrance.challenge(
                exchange.scope["path"], host.decode("latin-1"), bool(exchange.authorization)
            )
            detail = f"Authentication required. {self._entrance.wants(exchange.scope['path'])}"
            return problem(401, "unauthenticated", detail, {"WWW-Authenticate": challenge})
        exchange.who = exchange.scope["who"] = who
        return None

    def _foreign(self, headers: Mapping[bytes, bytes]) -> Response | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name not in self._hosts and host not in self._hosts:
            return problem(421, "wrong-host", "This server does not answer under that name.")
        origin = headers.get(b"origin")
        if origin is not None and not self._origins.takes(origin.decode("latin-1")):
            return problem(403, "wrong-origin", "Pages of that origin may not ask here.")
        return None

    def _count(self, exchange: Exchange) -> None:
        surface = self._entrance.surface(exchange.scope["path"])
        if not exchange.is_stream and not exchange.gone:
            self._metrics.took(surface, exchange.status, exchange.seconds)
        code = exchange.scope.get(REFUSED) or (f"status-{exchange.status}" if exchange.status >= 400 else "")
        if code and not exchange.gone:
            tenant = "" if exchange.who is None else self._entrance.tenant(exchange.who)
            self._metrics.refused[code, surface, tenant] += 1

    # streams, and the end

    async def checking(self) -> None:
        """End each stream whose credential no longer holds, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for exchange in [one for one in self._open if one.is_stream]:
                if (answer := await self._lapsed(exchange)) is not None:
                    exchange.end(answer)

    async def _lapsed(self, exchange: Exchange) -> ProblemJson | None:
        who = exchange.who
        if (answer := await self._unproved(exchange)) is not None:
            return answer
        if self._key(exchange.who) != self._key(who):
            return problem(401, "unauthenticated", "Authentication required.")
        try:
            frozen = self._entrance.is_frozen(exchange.who)
        except Unprovable:
            return _unavailable()
        return problem(503, "frozen", "This was taken out of use while it ran.") if frozen else None

    def stop(self) -> None:
        """Refuse what comes, and end streams that agents only listen to; calls go on."""
        self._stopping = True
        for exchange in [one for one in self._open if one.is_stream and one.scope["method"] == "GET"]:
            exchange.end(_stopping())

    def end(self) -> None:
        """Answer every open request."""
        for exchange in [*self._open]:
            exchange.end(_stopping())


def _unavailable() -> ProblemJson:
    return problem(503, "unavailable", "What is in force is not known.", {"Retry-After": "1"})


def _stopping() -> ProblemJson:
    return problem(503, "stopping", "The server stops; ask again.", {"Retry-After": "1", "Connection": "close"})
