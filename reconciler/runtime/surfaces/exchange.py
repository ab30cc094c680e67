"""One request and its answer, as far as that has been sent."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.types import Message, Scope, Send

from reconciler.runtime.surfaces.llm_paths import last_event, shaped
from reconciler.runtime.surfaces.problem import ProblemJson

EVENTS = b"text/event-stream"


class Exchange:
    """``send`` notes what goes out; ``gone`` is whether the client went before the answer."""

    def __init__(self, scope: Scope, send: Send, authorization: str) -> None:
        self.scope, self.authorization = scope, authorization
        self.who: Any = None
        self.status = 0
        self.is_stream = self.gone = False
        self.ended: ProblemJson | None = None
        self._send = send
        self._begun = time.perf_counter()
        self._task = asyncio.current_task()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.is_stream = any(
                name.lower() == b"content-type" and value.startswith(EVENTS) for name, value in message["headers"]
            )
        await self._send(message)

    def end(self, answer: ProblemJson) -> None:
        """Cut what runs, and say why; the caller is answered by ``finish``."""
        if self.ended is None and self._task is not None:
            self.ended = answer
            self._task.cancel()

    async def finish(self) -> None:
        """Answer an exchange that was ended: by a problem document, or by the last event of a stream.

        An answer of another form that has begun is cut, and its client sees that it is not whole.
        """
        assert self.ended is not None
        if self._task is not None:
            self._task.uncancel()
        if not self.status:
            await shaped(self.scope, self.ended)(self.scope, _nothing, self.send)
        elif self.is_stream:
            self.ended.note(self.scope)
            if (last := last_event(self.scope, self.ended)) is not None:
                await self._send({"type": "http.response.body", "body": last, "more_body": True})
                return  # without an end: what came is no whole answer of a model
            body = b"event: error\ndata: %s\n\n" % bytes(self.ended.body)
            await self._send({"type": "http.response.body", "body": body, "more_body": False})


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
