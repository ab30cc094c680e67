"""Each provider's report of usage, as its documentation shows it, read into one shape."""

from __future__ import annotations

import pytest

from reconciler.runtime.llm.request import Usage
from reconciler.runtime.llm.usage import UsageUnreadable, usage_in

REPORTS = {
    # https://platform.openai.com/docs/api-reference/chat/object
    "openai chat": (
        "chat",
        {
            "service_tier": "default",
            "usage": {
                "prompt_tokens": 1117,
                "completion_tokens": 46,
                "total_tokens": 1163,
                "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 3},
                "completion_tokens_details": {
                    "reasoning_tokens": 10,
                    "audio_tokens": 2,
                    "rejected_prediction_tokens": 0,
                },
            },
        },
        Usage(input=1117, cached=1024, output=46, reasoning=10, input_audio=3, output_audio=2, tier="default"),
    ),
    # https://platform.openai.com/docs/api-reference/responses/object
    "openai responses": (
        "responses",
        {
            "usage": {
                "input_tokens": 36,
                "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
                "output_tokens": 87,
                "output_tokens_details": {"reasoning_tokens": 40},
                "total_tokens": 123,
            },
        },
        Usage(input=36, cached=6, written=4, output=87, reasoning=40),
    ),
    "openai embeddings": ("embeddings", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(input=8)),
    # https://ai.google.dev/gemini-api/docs/openai: thinking counts in the total alone
    "gemini thinking": (
        "chat",
        {"usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 130}},
        Usage(input=10, output=120, reasoning=100),
    ),
    # https://docs.mistral.ai/api
    "mistral": (
        "chat",
        {"usage": {"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50}},
        Usage(input=16, output=34),
    ),
    # https://docs.cohere.com/docs/compatibility-api
    "cohere": (
        "chat",
        {"usage": {"prompt_tokens": 15, "completion_tokens": 6, "total_tokens": 21}},
        Usage(input=15, output=6),
    ),
    # https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    "anthropic": (
        "messages",
        {
            "usage": {
                "input_tokens": 50,
                "cache_read_input_tokens": 100_000,
                "cache_creation_input_tokens": 556,
                "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 100},
                "output_tokens": 503,
                "output_tokens_details": {"thinking_tokens": 200},
                "service_tier": "standard",
            }
        },
        Usage(input=100_606, cached=100_000, written=556, output=503, reasoning=200, written_hour=100, tier="standard"),
    ),
    "anthropic count": ("count_tokens", {"input_tokens": 2095}, Usage()),
}


@pytest.mark.parametrize("name", REPORTS)
def test_reports(name):
    endpoint, body, expected = REPORTS[name]
    found = usage_in(endpoint, body)
    assert found is not None
    assert found[0] == expected


def test_the_last_report_counts_and_none_is_added():
    chunks = [{"usage": {"prompt_tokens": 10, "completion_tokens": n, "total_tokens": 10 + n}} for n in (1, 5, 9)]
    report, usage = None, None
    for chunk in chunks:
        found = usage_in("chat", chunk, report)
        assert found is not None
        usage, report = found
    assert usage == Usage(input=10, output=9)


def test_anthropics_two_reports_are_one():
    start = {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 472, "output_tokens": 2, "cache_read_input_tokens": 30}},
    }
    usage, report = usage_in("messages", start) or pytest.fail("no report")
    assert usage.output == 2
    delta = {"type": "message_delta", "usage": {"output_tokens": 89, "input_tokens": None}}
    usage, _ = usage_in("messages", delta, report) or pytest.fail("no report")
    assert usage == Usage(input=502, cached=30, output=89)


def test_a_responses_event_carries_it_inside():
    event = {
        "type": "response.completed",
        "response": {"usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
    }
    usage, _ = usage_in("responses", event) or pytest.fail("no report")
    assert usage == Usage(input=1, output=2)
    assert usage_in("responses", {"type": "response.created", "response": {"usage": None}}) is None


@pytest.mark.parametrize("value", [-1, 1.5, "7", True, 2**60, [1]])
def test_what_is_no_count_is_no_report(value):
    with pytest.raises(UsageUnreadable):
        usage_in("chat", {"usage": {"prompt_tokens": value, "completion_tokens": 1}})
    with pytest.raises(UsageUnreadable):
        usage_in("messages", {"usage": {"input_tokens": 1, "output_tokens": value}})


@pytest.mark.parametrize("body", [None, [], {}, {"usage": None}, {"usage": []}, {"choices": []}])
def test_no_report(body):
    assert usage_in("chat", body) is None


def test_a_report_without_what_it_is_about_is_none():
    with pytest.raises(UsageUnreadable):
        usage_in("messages", {"usage": {"input_tokens": 3}})
    with pytest.raises(UsageUnreadable):
        usage_in("chat", {"usage": {"prompt_tokens": 3}})
    assert usage_in("chat", {"usage": {"prompt_tokens": 3, "total_tokens": 5}})[0].output == 2
    with pytest.raises(UsageUnreadable):
        usage_in("embeddings", {"usage": {"total_tokens": 3}})
