"""Spans of traced requests: the seam between the parts of a call and whoever exports them.

A surface begins the span of a request, where there is a `Tracer` at all; what is deeper asks `CURRENT`, and does nothing without
one. Attributes are names, numbers and codes that this program or a reviewed manifest has chosen: never a value, a secret, or
text of a caller. Nothing of OpenTelemetry is imported here (docs/decisions/0049-opentelemetry.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")
Attribute = str | int | bool
Attributes = Mapping[str, Attribute]
Sort = Literal["http-server", "mcp-server", "http-client", "mcp-client", "database", "model"]
"""What a span times: a request that came in, or one that went out."""
TRACEPARENT = "traceparent"
"""W3C Trace Context: the header over HTTP, and the key in `params._meta` of MCP."""
METHOD, TOOL, OPERATION = "mcp.method.name", "gen_ai.tool.name", "gen_ai.operation.name"
TOOL_ERROR = "tool_error"
"""The error of a tool's result that says it is one."""
CALL_SECONDS, TOKENS = "reconciler.call.duration", "gen_ai.client.token.usage"
NOTHING: Mapping[str, str] = MappingProxyType({})


class Span(Protocol):
    """One timed part of a trace."""

    @property
    def trace(self) -> str:
        """The trace id, as 32 hexadecimal digits."""
        ...

    @property
    def carried(self) -> Mapping[str, str]:
        """What a request that goes out carries, as headers or in `_meta`; nothing where traces are not propagated."""
        ...

    def part(self, sort: Sort, name: str, attributes: Attributes) -> Span:
        """Begin a span below this one."""
        ...

    def rename(self, name: str) -> None: ...

    def note(self, attributes: Attributes) -> None:
        """Add attributes; those that the span's metric has are its labels, too. A tool's name goes into the name of a span of MCP."""
        ...

    def observe(self, metric: str, value: float, labels: Attributes) -> None:
        """Add one value to a histogram."""
        ...

    def end(self, error: str = "") -> None:
        """End it; ``error`` is a code, "" for none."""
        ...


class Tracer(Protocol):
    """What begins the spans of requests that came in."""

    def request(self, sort: Sort, name: str, traceparent: str, attributes: Attributes) -> Span:
        """Begin a span. Its parent is the one that ``traceparent`` names; an unusable text names none."""
        ...


CURRENT: ContextVar[Span | None] = ContextVar("reconciler-span", default=None)


class Part:
    """A `with` block around what ``span`` times; it ends the span by the error that leaves the block. None times nothing."""

    __slots__ = ("_error", "_token", "span")

    def __init__(self, span: Span | None) -> None:
        self.span = span
        self._error = ""
        self._token: Token[Span | None] | None = None

    def beside(self, given: Mapping[str, T]) -> Mapping[str, T | str]:
        """Return headers, or a `_meta`, with what the request carries of the trace, unless they have a `traceparent` of their own."""
        if self.span is None or any(name.lower() == TRACEPARENT for name in given):
            return given
        return {**given, **self.span.carried}

    def note(self, attributes: Attributes) -> None:
        if self.span is not None:
            self.span.note(attributes)

    def fail(self, error: str) -> None:
        """Say that it failed, though no error leaves the block."""
        if self.span is not None:
            self._error = error

    def __enter__(self) -> Part:
        if self.span is not None:
            self._token = CURRENT.set(self.span)
        return self

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if self.span is not None and self._token is not None:
            CURRENT.reset(self._token)
            self.span.end(self._error if error is None else error_word(error))


UNTRACED = Part(None)


def part(sort: Sort, name: str, make: Callable[..., Attributes] = lambda: NOTHING, *arguments: object) -> Part:
    """Return a block around a part of the request that is traced here; one that does nothing where none is.

    ``make`` makes the attributes of ``arguments``, and is called only where there is a trace.
    """
    current = CURRENT.get()
    return UNTRACED if current is None else Part(current.part(sort, name, make(*arguments)))


def error_word(error: BaseException) -> str:
    """Return the code of an error, or the name of its type."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    code = getattr(error, "code", None)
    return str(code) if isinstance(code, str | int) and not isinstance(code, bool) else type(error).__name__
