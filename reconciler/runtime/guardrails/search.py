"""Texts searched by several detectors at once: whole, or as they arrive, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from reconciler.runtime.guardrails.detector import Detector, Span


class Match(NamedTuple):
    """What a detector found, and where; never shown to anybody."""

    span: Span
    name: str


def matches(detectors: Sequence[Detector], text: str, start: int = 0) -> Iterator[Match]:
    """Yield matches that don't overlap: the first to begin, of those the longest, of those the first detector's."""
    found: dict[int, Span | None] = {}
    position = start
    while True:
        for number, detector in enumerate(detectors):
            if number not in found or ((span := found[number]) is not None and span[0] < position):
                found[number] = detector.find(text, position)
        spans = [(span[0], -span[1], number) for number, span in found.items() if span is not None]
        if not spans:
            return
        begin, end, number = min(spans)
        yield Match((begin, -end), detectors[number].name)
        position = -end


Replace = Callable[[str], str]


def placeholder(name: str) -> str:
    """Return what stands in place of a match."""
    return f"[{name}]"


class Found(NamedTuple):
    """A text with everything replaced that was found, and the names of the detectors that found it."""

    text: str
    names: tuple[str, ...] = ()


def redacted(detectors: Sequence[Detector], text: str) -> Found:
    """Search a whole text."""
    pieces, names, position = list[str](), list[str](), 0
    for (begin, end), name in matches(detectors, text):
        pieces += (text[position:begin], placeholder(name))
        names.append(name)
        position = end
    return Found("".join((*pieces, text[position:])), (*names,)) if names else Found(text)


class Stream:
    """One text that arrives in pieces. What it lets go, joined, is what ``redacted`` makes of the whole.

    Held is the run at the end in which a match may have begun, and one character before it.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        if any(one.width is None for one in detectors):
            raise ValueError("a form of text without a greatest length can't be searched for in a stream")
        self._detectors = detectors
        self._held, self._context = "", 0

    def feed(self, piece: str) -> Found:
        """Return what of the text is settled by this piece."""
        text = self._held + piece
        settled = min((one.tail(text) for one in self._detectors), default=len(text))
        return self._until(text, max(settled, self._context))

    def finish(self) -> Found:
        """Return the rest of the text."""
        found = self._until(self._held, len(self._held))
        self._held, self._context = "", 0
        return found

    @property
    def is_holding(self) -> bool:
        """Whether anything waits for more text."""
        return len(self._held) > self._context

    def _until(self, text: str, settled: int) -> Found:
        """Let go of all that is before ``settled``, and of matches that begin there."""
        pieces, names, position = list[str](), list[str](), self._context
        if position < len(text):
            for (begin, end), name in matches(self._detectors, text, position):
                if begin >= settled:
                    break
                pieces += (text[position:begin], placeholder(name))
                names.append(name)
                position = end
        cut = max(position, settled)
        pieces.append(text[position:cut])
        self._context = 1 if cut else 0
        self._held = text[cut - self._context :]
        return Found("".join(pieces), (*names,))
