"""The guardrails about one call of a model: its request, its answer as a whole, or the events of a stream.

What is looked at is every text but names (`walk.NAMES`) and media. What a provider has encrypted can't be looked at, nor audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from msgspec.structs import replace

from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.kinds.guardrail import Phase
from reconciler.runtime.guardrails.events import ChatEvents, MessageEvents, ResponseEvents, Streams
from reconciler.runtime.guardrails.guard import Guard, Hits, guards_of
from reconciler.runtime.guardrails.walk import Walk
from reconciler.runtime.llm.request import EndpointName, ModelRequest
from reconciler.runtime.llm.sse import Event

_EVENTS: Mapping[EndpointName, type[Streams]] = {
    "chat": ChatEvents,
    "responses": ResponseEvents,
    "messages": MessageEvents,
}


def inspection_of(tenant: Tenant, ways: Iterable[Target], request: ModelRequest) -> ModelInspection | None:
    """Return the inspection of a call that may go one of these ways: guardrails about any of them count. None without any."""
    guards: dict[Phase, list[Guard]] = {"input": [], "output": []}
    for way in ways:
        for phase, found in guards.items():
            found += [one for one in guards_of(tenant, way, phase) if one not in found]
    for found in guards.values():
        found.sort(key=lambda one: (one.order, one.name))
    if not any(guards.values()):
        return None
    return ModelInspection(guards["input"], guards["output"], request.endpoint.name)


class ModelInspection:
    """Implements ``llm.inspection.Inspection``."""

    def __init__(self, before: Sequence[Guard], after: Sequence[Guard], endpoint: EndpointName) -> None:
        self._before, self._after = before, after
        self._hits = Hits()
        self._events: Streams | None = None
        if any(one.detectors for one in after) and endpoint in _EVENTS:
            self._events = _EVENTS[endpoint](after, self._hits)
        self._is_text = endpoint in _EVENTS
        self._size = 0

    @property
    def hits(self) -> Mapping[str, int]:
        return self._hits.counts

    def request(self, request: ModelRequest) -> ModelRequest:
        """Return the request as it may go out. Raises Blocked."""
        self._measure(self._before, 0, len(request.raw))
        body = Walk(self._before, self._hits, fixes_tools=False).value(request.body)
        return request if body is request.body else replace(request, body=body, raw=orjson.dumps(body))

    def attempt(self, model: str, cost: int | None) -> None:
        """Judge a try by the provider's name of the model, and by its highest cost in pico-dollars. Raises Blocked."""
        for guard in self._before:
            if not guard.takes(model):
                self._hits.note(guard)
            if guard.most_cost is not None and (cost is None or cost > guard.most_cost):
                self._hits.note(guard)

    def answer(self, body: Any) -> Any:
        """Return a whole answer as it may leave; the same object where nothing was found. Raises Blocked."""
        if any(one.most_bytes is not None or one.is_broken for one in self._after):
            self._measure(self._after, 0, len(orjson.dumps(body)))
        return Walk(self._after, self._hits, fixes_tools=True).value(body) if self._is_text else body

    def event(self, event: Event, body: Any) -> bytes:
        """Return the bytes that may leave now. Raises Blocked."""
        before, self._size = self._size, self._size + len(event.data or b"")
        self._measure(self._after, before, self._size)
        if self._events is None or not isinstance(body, dict):
            return event.raw
        return self._events.event(event, body)

    def finish(self) -> bytes:
        """Return nothing: each format says where a text ends, and what is held of one that has no end was cut off."""
        return b""

    def _measure(self, guards: Sequence[Guard], before: int, size: int) -> None:
        for guard in guards:
            self._hits.require_whole(guard)
            if guard.most_bytes is not None and before <= guard.most_bytes < size:
                self._hits.note(guard)
