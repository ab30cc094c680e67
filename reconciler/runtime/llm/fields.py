"""Every top-level field of every endpoint, classified; and the tools, contents and beta names inside of them.

*pass*: goes out as it came. *bound*: it is read for the bounds of the call, or rewritten to hold them. *governed*: it reaches
past the mediator, names another model, or changes the price; it is refused unless the integration allows it by name.
*refused*: it needs state that a provider keeps. `tests/runtime/llm/test_fields.py` holds the tables to the SDKs' types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from reconciler.codes import Code
from reconciler.kinds.provider.wire import Format
from reconciler.runtime.llm.request import EndpointName

Rule: TypeAlias = Literal["pass", "bound", "governed", "refused"]


def _rules(passing: str = "", bound: str = "", governed: str = "", refused: str = "") -> Mapping[str, Rule]:
    rules: tuple[tuple[Rule, str], ...] = (
        ("pass", passing),
        ("bound", bound),
        ("governed", governed),
        ("refused", refused),
    )
    return {name: rule for rule, names in rules for name in names.split()}


FIELDS: Mapping[EndpointName, Mapping[str, Rule]] = {
    "chat": _rules(
        passing="frequency_penalty function_call logit_bias logprobs metadata parallel_tool_calls presence_penalty "
        "prompt_cache_key reasoning_effort response_format safety_identifier seed stop temperature tool_choice "
        "top_logprobs top_p user verbosity",
        bound="audio functions max_completion_tokens max_tokens messages modalities model n stream stream_options tools",
        governed="moderation prediction prompt_cache_options prompt_cache_retention service_tier web_search_options",
        refused="store",
    ),
    "responses": _rules(
        passing="include instructions max_tool_calls metadata parallel_tool_calls prompt_cache_key reasoning "
        "safety_identifier temperature text tool_choice top_logprobs top_p truncation user",
        bound="input max_output_tokens model stream stream_options tools",
        governed="access_programs context_management image moderation prompt_cache_options prompt_cache_retention "
        "service_tier",
        refused="background background_options conversation previous_response_id prompt store",
    ),
    "embeddings": _rules(passing="dimensions encoding_format user", bound="input model"),
    "messages": _rules(
        passing="metadata output_config stop_sequences temperature top_k top_p tool_choice",
        bound="cache_control max_tokens messages model stream system thinking tools",
        governed="betas billing_policy compaction container context_management diagnostics fallback_credit_token "
        "fallbacks inference_geo mcp_servers service_tier speed user_profile_id workspace_id",
        refused="thread",
    ),
    "count_tokens": _rules(
        passing="output_config tool_choice",
        bound="cache_control messages model system thinking tools",
        governed="betas billing_policy compaction context_management mcp_servers speed user_profile_id workspace_id",
    ),
}
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "store": (False,),
    "background": (False,),
    "service_tier": ("default", "standard_only"),
    "speed": ("standard",),
}
"""Values that ask for nothing, besides null."""
_CLIENT_TOOLS: Mapping[Format, frozenset[str]] = {
    "openai": frozenset({"function", "custom", "namespace", "local_shell", "apply_patch"}),
    "anthropic": frozenset({"custom", "bash", "text_editor", "memory"}),
}
"""Tools that the agent itself runs; all others reach past the mediator and have no bound."""
_DATED = re.compile(r"[_-](?:20\d\d_?\d\d_?\d\d|20\d\d-\d\d-\d\d|preview)$")
PASSING_BETAS = frozenset(
    {
        *("fine-grained-tool-streaming", "interleaved-thinking", "mid-conversation-output-config"),
        *("mid-conversation-tool-changes", "model-context-window-exceeded", "pdfs", "prompt-caching"),
        *("structured-outputs", "task-budgets", "thinking-display-updates", "thinking-token-count"),
        *("token-counting", "token-efficient-tools", "extended-cache-ttl"),
    }
)
"""Of `anthropic-beta`, without their dates: they reach nobody, and change neither model nor price beyond what is reserved."""
_STATELESS = "send the whole conversation in `input` or `messages` instead"


class Wrong(NamedTuple):
    """Why a request can't go to a deployment. ``field`` is where in the body it stands."""

    code: Code
    field: str
    message: str


def stem(name: str) -> str:
    """Return the name of a tool or a beta without its date: `web_search_20250305` is `web_search`."""
    while (shorter := _DATED.sub("", name)) != name:
        name = shorter
    return name


def stateful(endpoint: EndpointName, body: Mapping[str, Any]) -> Wrong | None:
    """Return what of a request needs state at the provider, whatever an integration allows; None where nothing does."""
    for name, rule in FIELDS[endpoint].items():
        if rule == "refused" and not _is_neutral(name, body.get(name)):
            return Wrong("state-not-supported", name, f"`{name}` needs state that a provider keeps: {_STATELESS}")
    items = body.get("input")
    for number, item in enumerate(items if endpoint == "responses" and isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get("type") == "item_reference":
            message = f"an item reference needs state that a provider keeps: {_STATELESS}"
            return Wrong("state-not-supported", f"input[{number}]", message)
    return None


def governed(
    endpoint: EndpointName, format_: Format, body: Mapping[str, Any], allowed: frozenset[str], is_strict: bool
) -> Wrong | None:
    """Return the first field or tool that an integration does not allow; None where it allows all.

    ``is_strict``: unknown fields are refused too, since limits of tokens or cost, or a list of models, are in force.
    """
    rules = FIELDS[endpoint]
    for name, value in body.items():
        rule = rules.get(name)
        if name in allowed or rule in {"pass", "bound", "refused"} or _is_neutral(name, value):
            continue
        if rule == "governed":
            return Wrong(
                "field-not-supported", name, f"`{name}` is not allowed here; an integration's `allow_fields` can"
            )
        if is_strict:
            return Wrong(
                "field-not-supported", name, f"`{name}` is unknown, and can't be bounded; `allow_fields` can allow it"
            )
    for place, kind in tools_in(body):
        if stem(kind) not in _CLIENT_TOOLS[format_] and not {kind, stem(kind)} & allowed:
            message = f"the tool `{kind}` runs at the provider; an integration's `allow_fields` can allow it"
            return Wrong("tool-not-supported", place, message)
    return None


def governed_beta(values: list[str], allowed: frozenset[str], is_strict: bool) -> Wrong | None:
    """Return the first value of `anthropic-beta` that an integration does not allow."""
    for value in values:
        if stem(value) in PASSING_BETAS or {value, stem(value)} & allowed:
            continue
        if is_strict or stem(value) in GOVERNED_BETAS:
            message = f"the beta `{value}` is not allowed here; an integration's `config.beta` or `allow_fields` can"
            return Wrong("field-not-supported", "anthropic-beta", message)
    return None


GOVERNED_BETAS = frozenset(
    {
        *("advisor-tool", "agent-memory", "cache-diagnosis", "ce-plugins", "code-execution", "compact", "computer-use"),
        *("context-1m", "context-management", "dreaming", "fallback-credit", "fast-mode", "files-api", "inline-tools"),
        *("managed-agents", "mcp-client", "mcp-tunnels", "message-batches", "message-threads", "output-128k"),
        *("output-300k", "server-side-fallback", "skills", "user-profiles", "user-profiles-billing", "web-fetch"),
    }
)
"""Betas of tools that run at the provider, of state, of other models, and of prices."""


def tools_in(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where each tool of a request stands, and its type; a tool without one is the agent's own."""
    yield from _tools(body.get("tools"), "tools")
    items = body.get("input")
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and "tools" in item:  # `additional_tools` and its like
            yield from _tools(item["tools"], f"input[{number}].tools")


def _tools(tools: Any, place: str) -> Iterator[tuple[str, str]]:
    for number, tool in enumerate(tools if isinstance(tools, list) else ()):
        if not isinstance(tool, dict):
            continue
        where, kind = f"{place}[{number}]", tool.get("type", "custom")
        yield where, kind if isinstance(kind, str) else "?"
        yield from _tools(tool.get("tools"), f"{where}.tools")  # a namespace holds tools


def _is_neutral(name: str, value: Any) -> bool:
    return value is None or any(value is one or value == one for one in _NEUTRAL.get(name, ()))
