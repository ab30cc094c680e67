"""One text of a stream, through all guardrails one after the other; and what a tool is called with, which is held whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reconciler.runtime.guardrails.guard import Blocked, Guard, Hits
from reconciler.runtime.guardrails.search import Stream
from reconciler.runtime.guardrails.walk import Place, Walk

MOST_ARGUMENTS = 64 * 1024
"""Characters of what one tool is called with; a longer one is blocked where guardrails look at it."""


class Held(Protocol):
    """A text that arrives in pieces, and leaves in others."""

    def feed(self, piece: str) -> str:
        """Return what may leave now. Raises Blocked."""
        ...

    def finish(self) -> str:
        """Return the rest, since the text has ended. Raises Blocked."""
        ...


class Pipeline:
    """A text that guardrails may change; ``is_fixed``: they may only refuse it, as a signed text."""

    def __init__(self, guards: Sequence[Guard], hits: Hits, is_fixed: bool = False) -> None:
        self._stages = [(one, Stream(one.detectors)) for one in guards if one.detectors]
        self._hits, self._is_fixed = hits, is_fixed

    def feed(self, piece: str) -> str:
        return self._passed(piece, is_last=False)

    def finish(self) -> str:
        return self._passed("", is_last=True)

    def _passed(self, text: str, is_last: bool) -> str:
        for guard, stream in self._stages:
            found, names = stream.feed(text)
            if is_last:
                rest = stream.finish()
                found, names = found + rest.text, names + rest.names
            self._hits.note(guard, len(names))
            if names and guard.action == "redact" and self._is_fixed:
                raise Blocked(guard.name)
            text = text if guard.action == "warn" else found
        return text


class Arguments:
    """What a tool is called with: it leaves at once, when it is whole and nothing in it was found."""

    def __init__(self, walk: Walk, first: Guard) -> None:
        self._walk, self._first = walk, first
        self._pieces, self._length = list[str](), 0

    def feed(self, piece: str) -> str:
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length > MOST_ARGUMENTS:
            raise Blocked(self._first.name)
        return ""

    def finish(self) -> str:
        whole = "".join(self._pieces)
        self._pieces, self._length = [], 0
        return self._walk.arguments(whole, Place(is_fixed=True)) if whole else ""
