"""Server-sent events, split exactly as they came: every byte of a stream belongs to one event, in order.

Grammar: HTML Living Standard, section 9.2.6. Lines end in CRLF, LF or CR; an empty line ends an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_EVENT_BYTES = 32 * 1024 * 1024
"""Of one event: the last event of a response repeats all of its output."""
_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""The groups are atomic, since a CRLF is one end of a line and never two."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_PLAIN = b"data: "


class TooLarge(Exception):
    """An event has more than MOST_EVENT_BYTES."""


class Event(NamedTuple):
    """``raw`` are the bytes as they came, comments and the empty line included. ``data`` is None for an event without data."""

    raw: bytes
    name: str
    data: bytes | None


class Events:
    """The events of one stream. What is held is one event that is not whole yet."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self._is_first = True

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that a piece makes whole. Raises TooLarge."""
        held = self._held
        held += piece
        while (end := self._end()) is not None:
            raw = bytes(held[:end])
            del held[:end]
            self._searched = 0
            yield self._event(raw)
        if len(held) > MOST_EVENT_BYTES:
            raise TooLarge

    def finish(self) -> Iterator[Event]:
        """Yield what is left when a stream has ended, as one event: some servers leave out the last empty line."""
        if self._held:
            raw = bytes(self._held)
            self._held.clear()
            yield self._event(raw)

    def _end(self) -> int | None:
        """Return where the first event ends. A CR that ends what is held may be half of a CRLF, and waits."""
        held = self._held
        found = _END.search(held, self._searched)
        if found is None or (found.end() == len(held) and held.endswith(b"\r")):
            self._searched = max(0, len(held) - 3 if found is None else found.start())
            return None
        return found.end()

    def _event(self, raw: bytes) -> Event:
        text = raw
        if self._is_first:
            self._is_first, text = False, raw.removeprefix(_BOM)
        return _parsed(raw, text)


def _parsed(raw: bytes, text: bytes) -> Event:
    if text.startswith(_PLAIN) and text.endswith(b"\n\n") and text.find(b"\n") == len(text) - 2 and b"\r" not in text:
        return Event(raw, "", text[len(_PLAIN) : -2])  # what nearly all events look like
    name, data = b"", list[bytes]()
    for line in _LINE_END.split(text):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(raw, name.decode(errors="replace"), b"\n".join(data) if data else None)


def event_of(name: str, data: bytes) -> bytes:
    """Return an event as bytes; ``data`` has no line ends."""
    return (b"event: %s\n" % name.encode() if name else b"") + b"data: %s\n\n" % data
