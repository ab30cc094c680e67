"""A stream that has begun to answer, passed on event by event; one that breaks off is a failure, and its agent sees that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from reconciler.runtime.call import Failed
from reconciler.runtime.deadline import until
from reconciler.runtime.llm.money import received
from reconciler.runtime.llm.request import Usage
from reconciler.runtime.llm.scrubbing import scrubbed_event
from reconciler.runtime.llm.tries import Begun, Read, Reader, Reply
from reconciler.runtime.results import Ended
from reconciler.runtime.tracing import error_word

if TYPE_CHECKING:
    from reconciler.runtime.llm.running import RunningCall


class Broken(Failed):
    """A stream that can't go on: the provider's own error event has left already."""

    def __init__(self) -> None:
        super().__init__("upstream-failed", "the stream broke off with an error")


class Streaming:
    """The answer of one deployment, of which nothing has left yet. ``pieces`` settles the call, however it ends."""

    def __init__(self, call: RunningCall, reply: Reply, reader: Reader, begun: Begun, idle_seconds: float) -> None:
        self._call, self._reply, self._reader, self._begun = call, reply, reader, begun
        self._idle = idle_seconds
        self._asks_usage = _asks_usage(call.request.body)
        self._endpoint = call.request.endpoint.name
        self._is_failed = self._is_broken = False
        call.forget_request()
        self.evidence_id = call.record.intent.id

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield bytes as they may leave. Raises Refusal or Broken for a stream that failed, CancelledError."""
        call, reader = self._call, self._reader
        output = call.record.output = call.mediator.hashing.begin()
        try:
            async for piece in self._passed():
                if piece:
                    call.record.size += len(piece)
                    output.update(piece)
                    yield piece
        except GeneratorExit:
            self._end(self._used(), Ended("failure", "cancelled"))
            raise
        except BaseException as error:
            self._reply.close()
            call.record.end_try(self._used(), code=error_word(error))
            shown = call.failed(error)
            raise error if isinstance(error, Broken) else shown from None
        else:
            failed = self._is_failed
            ended = Ended("failure", "upstream-failed") if failed else Ended("success", status=self._reply.status)
            self._end(reader.usage, ended)
        finally:
            self._reply.close()
            await call.release()

    def _used(self) -> Usage | None:
        """Return what a stream used that may have broken off: what it reported at its end, or an estimate where one is wanted."""
        reader, open_ = self._reader, self._call.record.current
        if reader.is_ended:
            return reader.usage
        bound = open_.candidate.bound if open_ is not None else None
        return received(bound, reader.begun, reader.received) if reader.counts and bound is not None else None

    async def abandon(self) -> None:
        """Settle a stream of which nobody reads; one that was read to some end is settled already."""
        self._reply.close()
        self._end(None, Ended("failure", "cancelled"))
        await self._call.release()

    def _end(self, usage: Any, ended: Ended) -> None:
        self._call.record.end_try(usage, code=ended.code)
        self._call.settle(ended)

    async def _passed(self) -> AsyncIterator[bytes]:
        """Yield what leaves of each piece that arrives: events that came together leave together."""
        call, reader, loop = self._call, self._reader, asyncio.get_running_loop()
        reads, pieces = [*self._begun.reads], self._begun.pieces
        self._begun.reads.clear()
        while True:
            yield b"".join(map(self._event, self._until_broken(reads)))
            if self._is_broken:
                raise Broken
            if reader.is_done:
                break
            try:
                with until(loop.time() + self._idle):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise Failed("timeout", "the stream stood still for too long", "timeout") from None
            if piece is None:
                break
            reads = reader.feed(piece)
        yield b"".join(map(self._event, reader.finish()))
        if call.inspection is not None:
            yield call.inspection.finish()
        if not reader.is_ended:
            raise Failed("stream-cut", "the stream ended before its answer")

    def _until_broken(self, reads: list[Read]) -> Iterator[Read]:
        """Yield events up to the provider's own error, which is the last one; an answer may fail as its format says so."""
        for read in reads:
            yield read
            if read.mark == "error" and not self._reader.is_ended:
                if read.body.get("type") != "response.failed":
                    self._is_broken = True
                    return
                self._is_failed = self._reader.is_ended = self._reader.is_done = True

    def _event(self, read: Read) -> bytes:
        """Return what leaves of an event. Raises Blocked."""
        if self._is_usage_alone(read.body):
            return b""
        read = scrubbed_event(read, self._call.secrets)
        inspection = self._call.inspection
        return read.event.raw if inspection is None else inspection.event(read.event, read.body)

    def _is_usage_alone(self, body: Any) -> bool:
        """Whether an event of chat completions holds nothing but the usage, which the agent did not ask for."""
        return (
            self._endpoint == "chat"
            and not self._asks_usage
            and isinstance(body, dict)
            and body.get("choices") == []
            and body.get("usage") is not None
        )


def _asks_usage(body: Any) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
