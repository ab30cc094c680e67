"""Requests read: what is bounded, which media are in it, and what no provider could take."""

from __future__ import annotations

import json

import pytest

from reconciler.runtime.llm.reading import Refused, request_of
from reconciler.runtime.llm.request import ENDPOINTS, Medium

PNG = "iVBORw0KGgoAAAANSUhEUg=="


def read(endpoint, **body):
    body = {"model": "m", **body}
    return request_of(ENDPOINTS[endpoint], json.dumps(body).encode(), {})


def test_bounds_and_streams():
    one = read("chat", max_tokens=10, max_completion_tokens=7, n=3, stream=True, tools=[{"type": "function"}])
    assert (one.most_output, one.choices, one.is_stream, one.has_tools) == (7, 3, True, True)
    one = read("embeddings", input="x", stream=True)
    assert (one.most_output, one.is_stream, one.has_tools) == (None, False, False)
    assert read("responses", input="x", max_output_tokens=5).most_output == 5


@pytest.mark.parametrize(
    "body",
    [
        {"model": ""},
        {"model": 7},
        {"stream": "yes"},
        {"stream": 1},
        {"n": 0},
        {"n": 129},
        {"n": True},
        {"n": 1.0},
        {"max_tokens": -1},
        {"max_tokens": "5"},
        {"max_tokens": 2**50},
    ],
)
def test_what_no_provider_could_take(body):
    with pytest.raises(Refused) as caught:
        read("chat", messages=[], **body)
    assert caught.value.wrong.code == "invalid-values"
    assert caught.value.wrong.field == [*body][-1]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"model": "a", "model": "b"}', b'{"model": NaN}', b"\xff"])
def test_what_is_no_strict_json(raw):
    with pytest.raises(Refused) as caught:
        request_of(ENDPOINTS["chat"], raw, {})
    assert caught.value.wrong.code == "invalid-json"


MEDIA = [
    (
        "chat",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
                    ],
                }
            ]
        },
        Medium("image", len(PNG), "image/png", "low"),
    ),
    (
        "chat",
        {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]},
        Medium("image", 0),
    ),
    ("chat", {"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": PNG}}]}]}, Medium("audio", 24)),
    ("chat", {"messages": [{"content": [{"type": "file", "file": {"file_id": "f"}}]}]}, Medium("file", 0)),
    ("chat", {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, Medium("audio", 0)),
    ("responses", {"input": [{"content": [{"type": "input_image", "image_url": "https://x"}]}]}, Medium("image", 0)),
    ("responses", {"input": [{"content": [{"type": "input_file", "file_url": "https://x"}]}]}, Medium("file", 0)),
    (
        "responses",
        {"input": [{"type": "function_call_output", "output": [{"type": "input_image", "file_id": "x"}]}]},
        Medium("image", 0),
    ),
    (
        "messages",
        {
            "messages": [
                {"content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}
            ]
        },
        Medium("image", 24, "image/png"),
    ),
    (
        "messages",
        {
            "messages": [
                {
                    "content": [
                        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]}
                    ]
                }
            ]
        },
        Medium("image", 0),
    ),
    (
        "messages",
        {"messages": [{"content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}]},
        Medium("file", 0),
    ),
    (
        "chat",
        {"messages": [{"content": [{"type": "video_url", "video_url": {"url": "https://x"}}]}]},
        Medium("file", 0),
    ),
]


@pytest.mark.parametrize(("endpoint", "body", "medium"), MEDIA)
def test_media_are_found_wherever_they_stand(endpoint, body, medium):
    assert read(endpoint, **body).media == (medium,)


def test_what_is_no_base64_counts_as_text():
    part = {"type": "image", "source": {"type": "base64", "data": "a prompt of a hundred words in disguise"}}
    assert read("messages", messages=[{"content": [part]}]).media == (Medium("image", 0),)


def test_text_has_no_media():
    tool = {"type": "tool_use", "input": {"url": "https://x", "data": PNG}}
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}
    assert read("messages", messages=[{"content": "plain"}, {"content": [tool]}]).media == ()
    (document,) = read("messages", messages=[{"content": [text]}]).media
    assert document.inline == 0  # its text counts as text


def test_a_session_is_known_by_its_cache_key_its_run_or_its_user():
    raw = json.dumps({"model": "m", "metadata": {"user_id": "u"}}).encode()
    assert request_of(ENDPOINTS["messages"], raw, {}).affinity == "u"
    assert request_of(ENDPOINTS["messages"], raw, {}, "run").affinity == "run"
    assert read("chat", prompt_cache_key="k").affinity == "k"
