"""Server-sent events: exact at every split, whatever the ends of lines are."""

from __future__ import annotations

import random

import pytest

from reconciler.runtime.llm import sse
from reconciler.runtime.llm.sse import Event, Events, TooLarge

STREAM = (
    b"\xef\xbb\xbf: welcome\n\n"
    b"data: plain\n\n"
    b'event: message_start\r\ndata: {"a": 1}\r\n\r\n'
    b"data: one\rdata: two\r\r"
    b": keep-alive\n\n"
    b"data:tight\nid: 7\nretry: 10\n\n"
    b"data\n\n"
    b"data: mixed\r\n\n"
    b"event: x\n\r\n"
    b"data: \xe2\x82\xac\n\n"
    b"data: [DONE]\n\n"
)
EXPECTED = [
    ("", None),
    ("", b"plain"),
    ("message_start", b'{"a": 1}'),
    ("", b"one\ntwo"),
    ("", None),
    ("", b"tight"),
    ("", b""),
    ("", b"mixed"),
    ("x", None),
    ("", "€".encode()),
    ("", b"[DONE]"),
]


def parsed(pieces):
    events = Events()
    found = [one for piece in pieces for one in events.feed(piece)]
    return [*found, *events.finish()]


def seen(found):
    return [(one.name, one.data) for one in found]


def test_every_split_in_two_gives_the_same_events_and_bytes():
    raws = [one.raw for one in parsed([STREAM])]
    for at in range(len(STREAM) + 1):
        found = parsed([STREAM[:at], STREAM[at:]])
        assert [one.raw for one in found] == raws
        assert seen(found) == EXPECTED, at
        assert b"".join(one.raw for one in found) == STREAM


def test_byte_by_byte_and_random_splits():
    assert seen(parsed([STREAM[i : i + 1] for i in range(len(STREAM))])) == EXPECTED
    chance = random.Random(7)
    for _ in range(500):
        cuts = sorted(chance.sample(range(len(STREAM)), chance.randrange(1, 12)))
        pieces = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
        found = parsed(pieces)
        assert seen(found) == EXPECTED
        assert b"".join(one.raw for one in found) == STREAM


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_end_of_line_alone(end):
    stream = b"".join(b"event: e%sdata: %d%s%s" % (end, n, end, end) for n in range(5))
    for at in range(len(stream)):
        assert seen(parsed([stream[:at], stream[at:]])) == [("e", b"%d" % n) for n in range(5)]


def test_an_event_leaves_as_soon_as_it_is_whole():
    events = Events()
    assert [*events.feed(b"data: a\n")] == []
    assert [*events.feed(b"\nda")] == [Event(b"data: a\n\n", "", b"a")]
    assert [*events.feed(b"ta: b\r\n\r\n")] == [Event(b"data: b\r\n\r\n", "", b"b")]


def test_a_huge_event_is_read_in_linear_time_and_bounded(monkeypatch):
    body = b"x" * 4_000_000
    pieces = [b"data: ", *[body[i : i + 16384] for i in range(0, len(body), 16384)], b"\n\n"]
    (found,) = parsed(pieces)
    assert found.data == body
    monkeypatch.setattr(sse, "MOST_EVENT_BYTES", 1000)
    with pytest.raises(TooLarge):
        parsed([b"data: " + b"x" * 1001])


def test_what_ends_without_an_empty_line_is_the_last_event():
    assert seen(parsed([b"data: a\n\ndata: [DONE]"])) == [("", b"a"), ("", b"[DONE]")]
    assert seen(parsed([b"data: [DONE]\n"])) == [("", b"[DONE]")]
