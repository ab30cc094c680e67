"""Where guardrails look at a model call: one inspection a call sees the request, then the answer as it leaves.

The engine of guardrails implements it; without guardrails about a call there is none, and bytes pass as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from reconciler.runtime.guardrails.guard import Blocked as Blocked
from reconciler.runtime.llm.request import ModelRequest
from reconciler.runtime.llm.sse import Event


class Inspection(Protocol):
    """The guardrails about one call."""

    @property
    def hits(self) -> Mapping[str, int]:
        """How often each guardrail found something so far, by its name: for evidence."""
        ...

    def request(self, request: ModelRequest) -> ModelRequest:
        """Return the request as it may go out. Raises Blocked."""
        ...

    def attempt(self, model: str, cost: int | None) -> None:
        """Judge a try by the provider's name of the model, and by its highest cost in pico-dollars. Raises Blocked."""
        ...

    def answer(self, body: Any) -> Any:
        """Return a whole answer as it may leave; the same object where nothing was found. Raises Blocked."""
        ...

    def event(self, event: Event, body: Any) -> bytes:
        """Return the bytes that may leave now. ``body`` is the event's data as JSON, None for another. Raises Blocked."""
        ...

    def finish(self) -> bytes:
        """Return what was still held when the stream has ended. Raises Blocked."""
        ...


def found_by(inspection: Inspection | None) -> str:
    """Return what guardrails found so far, by name and count: `no-cards=2`."""
    hits = {} if inspection is None else inspection.hits
    return ",".join(f"{name}={count}" for name, count in sorted(hits.items()))
