"""HTTP/1.1 as uvicorn reads it by llhttp, within bounds: on heads, on bodies, and on the time that they may take.

uvicorn bounds a head with its other parser only, which costs three times the CPU. Here bytes are counted before the parser
sees them. Statuses: RFC 9110 section 15.5 (400, 408, 413, 414), RFC 6585 section 5 (431).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from reconciler.codes import Code
from reconciler.runtime.connections import Connections, place_of
from reconciler.runtime.surfaces.guard import MOST_BYTES
from reconciler.runtime.surfaces.llm_paths import BY_PATH, shaped
from reconciler.runtime.surfaces.problem import problem

MAX_LINE_BYTES = 8 * 1024
"""Of the request's target."""
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
FRAMING = 2
"""So many times a body's bytes it may have with the framing of its chunks."""
BODY_SECONDS = 30.0
WRITE_SECONDS = 30.0
"""How long a client may leave an answer unread."""
IDLE_SECONDS = 30.0
"""Between an answer and the next request."""
LINGER_SECONDS = 2.0
"""How long a refused client may go on sending: it reads the answer only afterwards."""
LINGER_BYTES = 4 * 1024 * 1024
MIB = 2**20
_MODEL_PATHS = frozenset(path.encode() for path in BY_PATH)
PAUSE_SECONDS = 0.005
"""After each read of a refused client's bytes: others come first."""


def door(connections: Connections) -> Callable[..., asyncio.Protocol]:
    """Return what makes a protocol for uvicorn's setting ``http``."""

    def made(**given: Any) -> asyncio.Protocol:
        return Door(connections, **given)

    return made


class Door(HttpToolsProtocol):
    """One connection. ``_in_head`` holds between requests, and until all headers of a request have arrived."""

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._connections = connections
        self.address = ""
        self.deadline = self.waiting_since = math.inf
        self._in_head = True
        self._begun = self._leaving = self._idle = False
        self._head = self._body = self._framed = 0
        self._discarded = 0
        self._linger: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        return self._leaving or self._is_answered

    @property
    def _most(self) -> int:
        """The most bytes of a body: requests of models may hold images."""
        is_of_models = self.url.partition(b"?")[0] in _MODEL_PATHS
        return self._connections.settings.max_request_mib * MIB if is_of_models else MOST_BYTES

    @property
    def _path(self) -> str:
        url = getattr(self, "url", b"")
        return str(url.partition(b"?")[0].decode("latin-1"))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = place_of(self.client[0]) if self.client else ""
        self.waiting_since = time.monotonic()
        self.deadline = self.waiting_since + self._connections.settings.header_seconds
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self)
        self._leaving = True
        if self._linger is not None:
            self._linger.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._idle:
            self._idle, self.deadline = False, math.inf
        while data:
            if self._leaving:
                self._discard(len(data))
                return
            if self._in_head:
                room = MAX_HEAD_BYTES - self._head
                piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
                self._head += len(piece)
            else:
                piece, data = data, b""
                self._framed += len(piece)
            super().data_received(piece)
            self._judge()

    def _judge(self) -> None:
        """Look at what is incomplete once all bytes that arrived are parsed."""
        if self._leaving:
            return
        if self._in_head:
            if self._head >= MAX_HEAD_BYTES:
                self._refuse_headers()
            wait = self._connections.settings.header_seconds if self._has_begun else math.inf
        else:
            if self._framed > FRAMING * self._most:
                self._refuse_body()
            wait = BODY_SECONDS
        if self.deadline == math.inf:
            self.deadline = time.monotonic() + wait

    @property
    def _has_begun(self) -> bool:
        """Whether a part of a head has arrived; a head that follows another request in one piece counts from its next piece on."""
        return self._begun or self._head > 0

    # what the parser calls

    def on_message_begin(self) -> None:
        self._begun = True
        self._body = self._framed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if len(self.url) + len(url) > MAX_LINE_BYTES:
            self._refuse(414, "uri-too-long", f"The target of a request has at most {MAX_LINE_BYTES} bytes.")
        elif not self._leaving:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what uvicorn's own method does is written out, since it is the one that is called most."""
        if not self._in_head or self._leaving:
            return  # trailers say nothing
        name = name.lower()
        if len(self.headers) >= MAX_HEADERS:
            self._refuse_headers()
        elif name == b"content-length" and value.isdigit() and int(value[:20]) > self._most:
            self._refuse_body()
        elif name == b"host" and any(known == b"host" for known, _ in self.headers):
            self._refuse(400, "request-malformed", "A request has one Host.")  # RFC 9112 section 3.2
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._leaving:
            return
        super().on_headers_complete()  # may raise, and then this is no request
        self.cycle.transport = Joined(self.cycle)  # type: ignore[assignment]
        self._in_head = False
        self._head = 0
        self.deadline = math.inf

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > self._most:
            self._refuse_body()
        elif not self._leaving:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._leaving:
            return
        self._in_head = True
        self._begun = False
        self.deadline = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request. It is uvicorn's own method but for its timer: the deadline ends what is idle, too."""
        self.server_state.total_requests += 1
        self.waiting_since = time.monotonic()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._has_begun:
            self._rest()

    def _rest(self) -> None:
        self._idle, self.deadline = True, time.monotonic() + IDLE_SECONDS

    def pause_writing(self) -> None:
        super().pause_writing()
        self.deadline = time.monotonic() + WRITE_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self.deadline = math.inf
        if self._idle:
            self._rest()

    # how a connection ends

    def expire(self) -> None:
        if self._idle and not self.flow.write_paused:
            self.transport.close()
        elif self.flow.write_paused or (self._in_head and not self._has_begun):
            self._connections.refused("request-timeout")
            self.abort()  # nobody reads, or nobody asked
        else:
            self._refuse(408, "request-timeout", "The request took too long to arrive.")

    def make_room(self) -> None:
        self._connections.refused("overloaded")
        self.abort()

    def abort(self) -> None:
        self._leaving = True
        self.deadline = math.inf
        self.transport.abort()

    def shutdown(self) -> None:
        if self._leaving:
            self.transport.close()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "request-malformed", "This is no HTTP request.")

    def _refuse_headers(self) -> None:
        detail = f"The headers of a request are at most {MAX_HEADERS}, and with its target {MAX_HEAD_BYTES} bytes."
        self._refuse(431, "headers-too-large", detail)

    def _refuse_body(self) -> None:
        self._refuse(413, "too-large", f"A request has at most {self._most} bytes.")

    def _refuse(self, status: int, code: Code, detail: str) -> None:
        """Answer and read no more; the answer to an earlier request goes first, and then stands alone."""
        if self._leaving:
            return
        self._leaving = True
        self.deadline = math.inf
        self._connections.refused(code)
        self._unset_keepalive_if_required()
        if not self._is_answered:
            cycle = self.cycle
            if self._in_head or self.pipeline or cycle.response_started:
                cycle.keep_alive = False
                self.transport.pause_reading()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        if self._in_head or not self._is_answered:
            scope: Scope = {"path": self._path, "headers": self.headers or []}
            self.transport.write(_bytes_of(shaped(scope, problem(status, code, detail))))
        self.transport.write_eof()
        self._linger = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    @property
    def _is_answered(self) -> bool:
        """Whether no request waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _discard(self, size: int) -> None:
        """Take bytes that nobody wants, slowly and up to a bound."""
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.pause_reading()
            self.loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


class Joined:
    """The transport of one answer: a head that says how long its body is waits for it, and both go out in one piece."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle, self._transport = cycle, cycle.transport
        self._head = b""
        self._has_begun = False

    def write(self, data: bytes) -> None:
        cycle = self._cycle
        begins = cycle.response_started and not self._has_begun
        self._has_begun = cycle.response_started
        if begins and cycle.expected_content_length > 0 and cycle.scope["method"] != "HEAD":
            self._head = data
            return
        data, self._head = self._head + data, b""
        self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


def _bytes_of(answer: Response) -> bytes:
    lines = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
    return b"%s%sconnection: close\r\n\r\n%s" % (STATUS_LINE[answer.status_code], lines, bytes(answer.body))
