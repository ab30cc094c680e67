"""How each provider is asked: where, with which key, under which names; and what of a body changes for that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.kinds.provider.wire import Key
from reconciler.kinds.provider.wires import WIRES
from reconciler.runtime.llm.outgoing import Outgoing, outgoing_of
from reconciler.runtime.llm.reading import request_of
from reconciler.runtime.llm.request import ENDPOINTS
from tests.runtime.calls import resource

AZURE = {
    "base_url": "https://acme.openai.azure.com",
    "credential": "env://K",
    "config": {"deployments": {"gpt": "prod"}},
}
BEDROCK = {"credential": "env://K", "config": {"region": "eu-central-1"}}
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
BEDROCK_URL = "https://bedrock-runtime.eu-central-1.amazonaws.com"
PLACES: list[tuple[str, dict[str, Any], dict[str, str], Key]] = [
    (
        "openai",
        {"credential": "env://K"},
        {
            "chat": "https://api.openai.com/v1/chat/completions",
            "responses": "https://api.openai.com/v1/responses",
            "embeddings": "https://api.openai.com/v1/embeddings",
        },
        Key(),
    ),
    (
        "anthropic",
        {"credential": "env://K"},
        {
            "messages": "https://api.anthropic.com/v1/messages",
            "count_tokens": "https://api.anthropic.com/v1/messages/count_tokens",
            "chat": "https://api.anthropic.com/v1/chat/completions",
        },
        Key("x-api-key", ""),
    ),
    ("azure_openai", AZURE, {"chat": "https://acme.openai.azure.com/openai/v1/chat/completions"}, Key("api-key", "")),
    (
        "bedrock",
        BEDROCK,
        {"chat": f"{BEDROCK_URL}/openai/v1/chat/completions", "messages": f"{BEDROCK_URL}/anthropic/v1/messages"},
        Key(),
    ),
    (
        "gemini",
        {"credential": "env://K"},
        {"chat": f"{GEMINI}/chat/completions", "embeddings": f"{GEMINI}/embeddings"},
        Key(),
    ),
    ("mistral", {"credential": "env://K"}, {"chat": "https://api.mistral.ai/v1/chat/completions"}, Key()),
    ("cohere", {"credential": "env://K"}, {"chat": "https://api.cohere.ai/compatibility/v1/chat/completions"}, Key()),
    (
        "ollama",
        {"base_url": "http://ollama:11434"},
        {"chat": "http://ollama:11434/v1/chat/completions", "messages": "http://ollama:11434/v1/messages"},
        Key(),
    ),
    (
        "custom",
        {"base_url": "https://x/v1", "formats": ["openai", "anthropic"], "auth_header": "X-Key"},
        {"chat": "https://x/v1/chat/completions", "messages": "https://x/v1/messages"},
        Key("X-Key", ""),
    ),
]


def body_of(provider: str, more: dict[str, Any]) -> dict[str, Any]:
    return dict(resource("integration", {"provider": provider, **more}).body)


@pytest.mark.parametrize(("provider", "more", "places", "key"), PLACES)
def test_places_and_keys(provider: str, more: dict[str, Any], places: dict[str, str], key: Key) -> None:
    wire, body = WIRES[provider], body_of(provider, more)
    assert places.items() <= dict(wire.places(body)).items()
    assert wire.key(body) == key


def test_what_is_not_there_is_no_place() -> None:
    assert WIRES["bedrock"].places(body_of("bedrock", {"config": {"region": "eu-central-1"}})) == {}
    guarded = body_of("bedrock", {**BEDROCK, "config": {"region": "eu-central-1", "guardrail": "abc:2"}})
    assert [*WIRES["bedrock"].places(guarded)] == ["chat"]
    assert WIRES["bedrock"].headers(guarded) == {
        "X-Amzn-Bedrock-GuardrailIdentifier": "abc",
        "X-Amzn-Bedrock-GuardrailVersion": "2",
    }
    assert "messages" not in WIRES["openai"].places(body_of("openai", {"credential": "env://K"}))


def sent(provider: str, more: dict[str, Any], endpoint: str, limit_to: int | None = None, **given: Any) -> Outgoing:
    raw = json.dumps({"model": "name", **given}).encode()
    request = request_of(ENDPOINTS[endpoint], raw, {})  # type: ignore[index]
    found = outgoing_of(request, body_of(provider, more), WIRES[provider], "gpt", limit_to)
    assert found is not None
    return found


K: dict[str, Any] = {"credential": "env://K"}


@pytest.mark.parametrize(
    ("provider", "more", "endpoint", "given", "expected"),
    [
        ("openai", K, "chat", {"max_tokens": 5}, {"model": "gpt", "max_completion_tokens": 5}),
        (
            "openai",
            K,
            "chat",
            {"stream": True},
            {"model": "gpt", "stream": True, "stream_options": {"include_usage": True}},
        ),
        ("openai", K, "responses", {"input": "x"}, {"model": "gpt", "input": "x", "store": False}),
        ("azure_openai", AZURE, "chat", {}, {"model": "prod"}),
        ("mistral", K, "chat", {"max_completion_tokens": 5}, {"model": "gpt", "max_tokens": 5}),
        ("mistral", K, "chat", {"stream": True, "stream_options": {}}, {"model": "gpt", "stream": True}),
        ("mistral", {**K, "config": {"safe_prompt": True}}, "chat", {}, {"model": "gpt", "safe_prompt": True}),
        ("anthropic", K, "messages", {"max_tokens": 5}, {"model": "gpt", "max_tokens": 5}),
        ("custom", {"base_url": "https://x/v1"}, "chat", {"stream": True}, {"model": "gpt", "stream": True}),
    ],
)
def test_bodies(
    provider: str, more: dict[str, Any], endpoint: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert json.loads(sent(provider, more, endpoint, **given).body) == expected


def test_a_limit_bounds_the_output_under_the_name_that_the_provider_reads() -> None:
    assert json.loads(sent("ollama", {"base_url": "http://x"}, "chat", 7).body)["max_tokens"] == 7
    assert json.loads(sent("openai", K, "responses", 7, max_output_tokens=9).body)["max_output_tokens"] == 7


def test_a_body_that_needs_no_change_goes_out_as_it_came() -> None:
    raw = b'{ "model":"gpt",  "messages": [] }'
    request = request_of(ENDPOINTS["chat"], raw, {})
    found = outgoing_of(request, body_of("openai", K), WIRES["openai"], "gpt", None)
    assert found is not None
    assert found.body == raw


def test_headers_of_anthropic() -> None:
    body = body_of("anthropic", {**K, "config": {"version": "2023-06-01", "beta": ["pdfs-2024-09-25"]}})
    request = request_of(
        ENDPOINTS["messages"], b'{"model": "m"}', {"anthropic-version": "2030-01-01", "anthropic-beta": "x"}
    )
    found = outgoing_of(request, body, WIRES["anthropic"], "m", None)
    assert found is not None
    assert found.headers["anthropic-version"] == "2030-01-01"
    assert found.headers["anthropic-beta"] == "pdfs-2024-09-25,x"
