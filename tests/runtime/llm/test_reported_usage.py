"""Usage that is not whole counts as none: then all that was held is used."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.runtime.llm.money import Bound, received
from reconciler.runtime.llm.request import EndpointName, Usage
from reconciler.runtime.llm.tries import Reader
from tests.runtime.llm.test_bounds import request


def read(endpoint: EndpointName, *events: Any, counts: bool = False) -> Reader:
    reader = Reader(request(endpoint=endpoint), counts)
    for event in events:
        reader.feed(f"data: {json.dumps(event)}\n\n".encode())
    return reader


START = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
STOP = {"type": "message_stop"}


def delta(usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


def test_the_output_of_a_message_is_known_at_its_end() -> None:
    assert read("messages", START).usage is None
    assert read("messages", START, {"type": "message_delta", "delta": {}}, STOP).usage is None
    assert read("messages", START, delta({"output_tokens": "many"}), STOP).usage is None
    whole = read("messages", START, delta({"output_tokens": 7}), STOP)
    assert whole.is_ended
    assert whole.usage is not None
    assert (whole.usage.input, whole.usage.output) == (9, 7)


def test_a_report_that_can_not_be_read_takes_the_one_before_it_away() -> None:
    good = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}}
    bad = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": -4}}
    assert read("chat", good).usage is not None
    assert read("chat", good, bad).usage is None


@given(st.lists(st.text(max_size=20), max_size=8), st.sampled_from(["chat", "responses", "messages"]))
def test_what_was_received_is_counted_where_it_is_wanted(texts: list[str], endpoint: EndpointName) -> None:
    made: dict[str, Any] = {
        "chat": lambda text: {"choices": [{"index": 0, "delta": {"content": text}}]},
        "responses": lambda text: {"type": "response.output_text.delta", "delta": text},
        "messages": lambda text: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
    }
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    size = sum(len(text.encode()) for text in texts)
    assert read(endpoint, *map(made[endpoint], texts), counts=True).received == size
    assert read(endpoint, *map(made[endpoint], texts)).received == 0


def test_an_estimate_stays_within_the_bound() -> None:
    bound = Bound(100, 20, None, 90)
    assert received(bound, None, 7) == Usage(100, output=7)
    assert received(bound, None, 900) == Usage(100, output=20)
    assert received(bound, Usage(30, cached=10, output=1), 7) == Usage(30, cached=10, output=7)
