"""One try of a model call: sent, and read until it is known whether it answers; another deployment may be asked until then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from reconciler.codes import Code
from reconciler.runtime.call import REFUSING, Call, Failed
from reconciler.runtime.llm.marks import DONE, Mark, mark_of
from reconciler.runtime.llm.outgoing import Outgoing
from reconciler.runtime.llm.request import ModelRequest, Usage
from reconciler.runtime.llm.sse import Event, Events, TooLarge
from reconciler.runtime.llm.usage import UsageUnreadable, usage_in

MOST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is no stream."""
MOST_ERROR = 256 * 1024
MOST_PREAMBLE = 64 * 1024
"""Bytes of a stream that are held until its first output."""
FREE = frozenset({429, 529})
"""Statuses besides 4xx of which a provider bills nothing."""


class Reply(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: Mapping[str, str]
    is_stream: bool

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises Failed."""
        ...

    async def whole(self, most: int) -> bytes:
        """Return all of the body. Raises Failed."""
        ...

    def close(self) -> None:
        """Close the connection, unless the body was read to its end."""
        ...


class Sender(Protocol):
    """A connection to a provider."""

    async def send(self, outgoing: Outgoing, call: Call) -> Reply:
        """Send a request, and return its answer's head. Raises Failed."""
        ...


class TryFailed(Exception):
    """A try without an answer.

    ``is_free``: the provider bills nothing for it. ``body`` is what the provider said of it, for an agent that may know.
    """

    def __init__(self, failed: Failed, is_free: bool, body: bytes | None = None, headers: Any = None) -> None:
        super().__init__(str(failed))
        self.failed, self.is_free, self.body = failed, is_free, body
        self.headers: Mapping[str, str] = headers or {}

    @property
    def status(self) -> int | None:
        """What the provider answered, where it did."""
        return self.failed.status


class Read(NamedTuple):
    """An event with the JSON of its data, and what it means."""

    event: Event
    body: Any
    mark: Mark


class Reader:
    """Reads one answer: its events, its last report of usage, and whether it came to its end.

    ``usage`` is None until a report says all of it; ``begun`` is the last one that was readable. ``received`` counts the bytes of
    text that arrived, where ``counts``.
    """

    def __init__(self, request: ModelRequest, counts: bool = False) -> None:
        self.counts, self.received = counts, 0
        self.begun: Usage | None = None
        self._endpoint, self._choices = request.endpoint.name, request.choices
        self._events = Events()
        self._report: Mapping[str, Any] | None = None
        self._finished = 0
        self.usage: Usage | None = None
        self.is_ended = self.is_done = False

    def feed(self, piece: bytes) -> list[Read]:
        """Return the events that a piece makes whole. Raises Failed for one that is too large."""
        try:
            return [self._read(one) for one in self._events.feed(piece)]
        except TooLarge:
            raise Failed("too-large", "an event of the stream is larger than allowed") from None

    def finish(self) -> list[Read]:
        """Return what is left when the stream has ended."""
        return [self._read(one) for one in self._events.finish()]

    def note(self, body: Any) -> None:
        """Note the usage in an answer or an event; one that can't be read counts as none, whatever was reported before."""
        if self._endpoint == "count_tokens":
            self.usage = Usage()  # counting is not billed
            return
        try:
            found = usage_in(self._endpoint, body, self._report)
        except UsageUnreadable:
            self.usage = None
            return
        if found is not None:
            self.begun, self._report = found
            # a message begins with what its input is billed; its output is known at its end
            self.usage = None if body.get("type") == "message_start" else self.begun

    def _read(self, event: Event) -> Read:
        if event.data is None:
            return Read(event, None, "preamble")
        if event.data == DONE:
            self.is_ended = self.is_done = True
            return Read(event, None, "end")
        try:
            body = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            return Read(event, None, "output")
        self.note(body)
        mark = mark_of(self._endpoint, body)
        if self.counts:
            self.received += _text_in(body)
        if mark == "end":
            self._finished += len(body.get("choices") or ()) if self._endpoint == "chat" else self._choices
            self.is_ended = self._finished >= self._choices
            self.is_done = self.is_ended and self._endpoint != "chat"
        return Read(event, body, mark)


_LABELS = frozenset({"type", "id", "role"})
"""Texts in deltas that no model makes."""


def _text_in(body: Any) -> int:
    """Return the bytes of the text that an event adds, of all formats: a tokenizer makes no more tokens of it."""
    if not isinstance(body, dict):
        return 0
    choices = body.get("choices")
    deltas = [one.get("delta") for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
    return sum(_bytes_of(one) for one in [*deltas, body.get("delta"), body.get("content_block")])


def _bytes_of(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(_bytes_of(one) for name, one in value.items() if name not in _LABELS)
    return sum(_bytes_of(one) for one in value) if isinstance(value, list) else 0


async def sent(sender: Sender, outgoing: Outgoing, call: Call) -> Reply:
    """Send a try, and return an answer that is no error. Raises TryFailed."""
    try:
        reply = await sender.send(outgoing, call)
    except Failed as error:
        raise TryFailed(error, is_free=not call.effect) from None
    if 200 <= reply.status < 300:
        return reply
    try:
        body = await reply.whole(MOST_ERROR)
    except Failed:
        body = b""
    code, message = _code_of(reply.status)
    is_free = 400 <= reply.status < 500 or reply.status in FREE
    failed = Failed(code, message, status=reply.status, retry_after=_retry_after(reply.headers))
    raise TryFailed(failed, is_free, None if reply.status in REFUSING else body, reply.headers)


def _code_of(status: int) -> tuple[Code, str]:
    if status in REFUSING:
        return "credential-refused", "the provider refuses the credential"
    if status == 429:
        return "upstream-limited", "the provider says that a limit of its own is used up"
    if 400 <= status < 600:
        return "upstream-failed", "the provider refuses the request, or failed"
    return "invalid-response", "the provider gave no answer"


def _retry_after(headers: Mapping[str, str]) -> int | None:
    asked = headers.get("Retry-After", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else None


async def read_whole(reply: Reply, reader: Reader) -> tuple[bytes, Any]:
    """Return the bytes and the JSON of an answer that is no stream. Raises TryFailed."""
    try:
        if reply.is_stream:
            raise Failed("invalid-response", "the provider sent a stream that was not asked for", status=reply.status)
        data = await reply.whole(MOST_ANSWER)
        body = _json(data, reply.status)
    except Failed as failed:
        raise TryFailed(failed, is_free=False) from None
    finally:
        reply.close()
    reader.note(body)
    return data, body


def _json(data: bytes, status: int) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Failed("invalid-response", "the provider's answer is no JSON", status=status) from None


class Begun(NamedTuple):
    """A stream that has begun to answer: the events until then, and the pieces that follow."""

    reads: list[Read]
    pieces: AsyncIterator[bytes]


async def begun(reply: Reply, reader: Reader) -> Begun:
    """Read a stream until its first output. Raises TryFailed for one that has none."""
    if not reply.is_stream:
        reply.close()
        raise TryFailed(Failed("invalid-response", "the provider sent no stream", status=reply.status), is_free=False)
    held, size, pieces = list[Read](), 0, reply.pieces()
    try:
        async for piece in pieces:
            size += len(piece)
            reads = reader.feed(piece)
            held += reads
            if any(_failed(one, reader) for one in reads):
                raise _error_in(reads)
            if size > MOST_PREAMBLE or any(one.mark in {"output", "end"} for one in reads):
                return Begun(held, pieces)
        held += reader.finish()
        if reader.is_ended:
            return Begun(held, pieces)
    except Failed as failed:
        reply.close()
        raise TryFailed(failed, is_free=False) from None
    except (TryFailed, asyncio.CancelledError):
        reply.close()
        raise
    reply.close()
    raise TryFailed(Failed("stream-cut", "the stream ended before its answer", status=reply.status), is_free=False)


def _failed(read: Read, reader: Reader) -> bool:
    return read.mark == "error" and not reader.is_ended


def _error_in(reads: list[Read]) -> TryFailed:
    """Return the failure that a stream opens with. Anthropic bills nothing for an API that is overloaded."""
    (body,) = [one.body for one in reads if one.mark == "error"][:1]
    error = body.get("error") if isinstance(body.get("error"), dict) else {}
    is_busy = error.get("type") in {"overloaded_error", "rate_limit_error"}
    failed = Failed("upstream-failed", "the stream opened with an error", status=529 if is_busy else 500)
    return TryFailed(failed, is_free=is_busy)
