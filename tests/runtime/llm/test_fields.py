"""The tables of fields against the types of the official SDKs: a release with a new field fails here until it is classified."""

from __future__ import annotations

import typing

import pytest
from anthropic.types import anthropic_beta_param, message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count
from anthropic.types.beta import message_create_params as beta_create
from openai.types import embedding_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params, tool_param

from reconciler.runtime.llm import fields
from reconciler.runtime.llm.fields import FIELDS, governed, governed_beta, stateful, stem, tools_in

SDK_TYPES = {
    "chat": (
        completion_create_params.CompletionCreateParamsStreaming,
        completion_create_params.CompletionCreateParamsNonStreaming,
    ),
    "responses": (
        response_create_params.ResponseCreateParamsStreaming,
        response_create_params.ResponseCreateParamsNonStreaming,
    ),
    "embeddings": (embedding_create_params.EmbeddingCreateParams,),
    "messages": (message_create_params.MessageCreateParamsStreaming, beta_create.MessageCreateParamsStreaming),
    "count_tokens": (message_count_tokens_params.MessageCountTokensParams, beta_count.MessageCountTokensParams),
}
NOTHING = frozenset[str]()


@pytest.mark.parametrize("endpoint", SDK_TYPES)
def test_every_field_of_the_sdks_is_classified(endpoint):
    known = {name for one in SDK_TYPES[endpoint] for name in typing.get_type_hints(one)}
    missing = known - set(FIELDS[endpoint])
    assert not missing, f"classify {sorted(missing)}"
    older = {
        "temperature",
        "top_k",
        "top_p",
    }  # Anthropic's API takes them; its SDK dropped them from the newest models' types
    assert set(FIELDS[endpoint]) - known <= older


def test_every_beta_of_the_sdk_that_changes_messages_is_classified():
    literal = next(one for one in typing.get_args(anthropic_beta_param.AnthropicBetaParam) if typing.get_args(one))
    betas = {stem(one) for one in typing.get_args(literal)}
    elsewhere = {  # of other endpoints, or not documented: unknown, so they need an allow where anything is bounded
        *("admin-user-sign-out", "analytics-usage-cost", "ce-claude-code-managed-settings", "ce-user-management"),
        *(
            "dev-full-thinking",
            "efs",
            "experimental-claude-tag",
            "google-managed-data-controls",
            "mid-conversation-system-clear-at",
        ),
        *("spend-limit-reads", "telemetry-destinations", "thinking-binding-controls", "webhooks"),
    }
    assert betas - fields.PASSING_BETAS - fields.GOVERNED_BETAS == elsewhere
    assert not fields.PASSING_BETAS & fields.GOVERNED_BETAS


@pytest.mark.parametrize(
    ("endpoint", "body", "field"),
    [
        ("responses", {"previous_response_id": "resp_1"}, "previous_response_id"),
        ("responses", {"conversation": "conv_1"}, "conversation"),
        ("responses", {"prompt": {"id": "pmpt_1"}}, "prompt"),
        ("responses", {"background": True}, "background"),
        ("responses", {"store": True}, "store"),
        ("responses", {"store": 1}, "store"),
        ("responses", {"store": "true"}, "store"),
        ("responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ("chat", {"store": True}, "store"),
        ("messages", {"thread": {"type": "create"}}, "thread"),
    ],
)
def test_state_is_refused_and_the_stateless_way_is_named(endpoint, body, field):
    wrong = stateful(endpoint, body)
    assert wrong is not None
    assert (wrong.code, wrong.field) == ("state-not-supported", field)
    assert "whole conversation" in wrong.message


@pytest.mark.parametrize("body", [{}, {"store": False}, {"store": None}, {"background": False, "conversation": None}])
def test_what_asks_for_no_state_passes(body):
    assert stateful("responses", body) is None


GOVERNED = [
    ("chat", "openai", {"web_search_options": {}}, "web_search_options"),
    ("chat", "openai", {"service_tier": "priority"}, "service_tier"),
    ("chat", "openai", {"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ("responses", "openai", {"tools": [{"type": "web_search_preview_2025_03_11"}]}, "web_search"),
    ("responses", "openai", {"tools": [{"type": "mcp", "server_url": "https://x"}]}, "mcp"),
    ("responses", "openai", {"tools": [{"type": "code_interpreter"}]}, "code_interpreter"),
    ("responses", "openai", {"tools": [{"type": "namespace", "tools": [{"type": "file_search"}]}]}, "file_search"),
    ("responses", "openai", {"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]}, "mcp"),
    ("messages", "anthropic", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
    ("messages", "anthropic", {"tools": [{"type": "code_execution_20250825"}]}, "code_execution"),
    ("messages", "anthropic", {"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
    ("messages", "anthropic", {"container": "c"}, "container"),
    ("messages", "anthropic", {"fallbacks": ["x"]}, "fallbacks"),
    ("messages", "anthropic", {"speed": "fast"}, "speed"),
    ("count_tokens", "anthropic", {"mcp_servers": []}, "mcp_servers"),
]


@pytest.mark.parametrize(("endpoint", "format_", "body", "name"), GOVERNED)
def test_governed_fields_and_tools_need_an_allow_by_name(endpoint, format_, body, name):
    wrong = governed(endpoint, format_, body, NOTHING, False)
    assert wrong is not None
    assert wrong.code in {"field-not-supported", "tool-not-supported"}
    assert governed(endpoint, format_, body, frozenset({name}), True) is None


def test_every_tool_of_the_sdk_that_the_agent_does_not_run_is_governed():
    passing = set()
    for one in typing.get_args(tool_param.ToolParam):
        (kind, *_) = typing.get_args(typing.get_args(typing.get_type_hints(one, include_extras=True)["type"])[0]) or (
            typing.get_args(typing.get_type_hints(one)["type"])[0],
        )
        if governed("responses", "openai", {"tools": [{"type": kind}]}, NOTHING, False) is None:
            passing.add(kind)
    assert passing == {"function", "custom", "namespace", "local_shell", "apply_patch"}


def test_an_unknown_field_passes_only_while_nothing_has_to_be_bounded():
    body = {"models": ["a", "b"]}
    assert governed("chat", "openai", body, NOTHING, False) is None
    wrong = governed("chat", "openai", body, NOTHING, True)
    assert wrong is not None
    assert wrong.field == "models"
    assert governed("chat", "openai", body, frozenset({"models"}), True) is None


@pytest.mark.parametrize("tool", [{"type": 7}, {"type": None}, {"type": "unheard_of"}])
def test_a_tool_of_no_known_type_is_not_the_agents_own(tool):
    assert governed("responses", "openai", {"tools": [tool]}, NOTHING, False) is not None


def test_tools_are_found_wherever_they_stand():
    body = {"tools": [{"name": "x"}], "input": [{"type": "message"}, {"tools": [{"type": "mcp"}]}]}
    assert [*tools_in(body)] == [("tools[0]", "custom"), ("input[1].tools[0]", "mcp")]


@pytest.mark.parametrize(
    ("value", "is_strict", "passes"),
    [
        ("prompt-caching-2024-07-31", True, True),
        ("interleaved-thinking-2025-05-14", True, True),
        ("context-1m-2025-08-07", False, False),
        ("fast-mode-2026-02-01", False, False),
        ("mcp-client-2025-04-04", False, False),
        ("something-new-2030-01-01", False, True),
        ("something-new-2030-01-01", True, False),
    ],
)
def test_betas_are_governed_like_fields(value, is_strict, passes):
    assert (governed_beta([value], NOTHING, is_strict) is None) is passes
    assert governed_beta([value], frozenset({stem(value)}), is_strict) is None
