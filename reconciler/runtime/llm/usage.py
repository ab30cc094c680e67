"""The usage that providers report, in their own shapes, read into one; a report that can't be read counts as none.

Shapes: OpenAI's reference of chat completions, responses and embeddings; Anthropic's reference of messages. Azure OpenAI,
Bedrock, Gemini, Mistral, Cohere and Ollama report in OpenAI's shape of chat completions with fewer details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.runtime.llm.request import EndpointName, Usage

MOST_TOKENS = 2**40
"""Of one report: more is no count of tokens."""
Json = Mapping[str, Any]


class UsageUnreadable(ValueError):
    """A report of usage with something else where a count belongs."""


def usage_in(endpoint: EndpointName, body: Any, before: Json | None = None) -> tuple[Usage, Json] | None:
    """Return the usage in a whole answer or in an event's data, with the report as it stands; None where it has none.

    ``before`` is the last report of the same try: later ones replace its fields and are never added to it.
    Raises UsageUnreadable.
    """
    report = _report_in(endpoint, body)
    if report is None:
        return None
    whole = {**(before or {}), **{key: value for key, value in report.items() if value is not None}}
    return _READERS[endpoint](whole), whole


def _report_in(endpoint: EndpointName, body: Any) -> Json | None:
    if not isinstance(body, dict):
        return None
    if endpoint == "responses" and isinstance(body.get("response"), dict):
        body = body["response"]
    elif endpoint == "messages" and isinstance(body.get("message"), dict):
        body = body["message"]
    elif endpoint == "count_tokens":
        return body if "input_tokens" in body else None
    found = body.get("usage")
    if not isinstance(found, dict):
        return None
    # OpenAI names the tier beside the usage, Anthropic inside of it
    return {"service_tier": body.get("service_tier"), **found}


def _count(report: Json, name: str) -> int:
    value = report.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise UsageUnreadable(f"`{name}` is no count of tokens")
    return value


def _needed(report: Json, name: str) -> int:
    if report.get(name) is None:
        raise UsageUnreadable(f"`{name}` is missing")
    return _count(report, name)


def _part(report: Json, name: str) -> Json:
    found = report.get(name)
    return found if isinstance(found, dict) else {}


def _tier(report: Json) -> str:
    tier = report.get("service_tier")
    return tier if isinstance(tier, str) and len(tier) <= 32 and tier.isprintable() else ""


def _openai(report: Json, read: str, made: str) -> Usage:
    """Return the usage whose fields are called by these two words. Output is what is left of the total where that is more.

    Gemini leaves its thinking out of `completion_tokens`.
    """
    prompt, shown = _needed(report, f"{read}_tokens"), _count(report, f"{made}_tokens")
    if report.get("total_tokens") is None:
        _needed(report, f"{made}_tokens")
    inside, outside = _part(report, f"{read}_tokens_details"), _part(report, f"{made}_tokens_details")
    output = max(shown, _count(report, "total_tokens") - prompt)
    return Usage(
        input=prompt,
        cached=min(prompt, _count(inside, "cached_tokens")),
        written=min(prompt, _count(inside, "cache_write_tokens")),
        output=output,
        reasoning=max(_count(outside, "reasoning_tokens"), output - shown),
        input_audio=min(prompt, _count(inside, "audio_tokens")),
        output_audio=min(output, _count(outside, "audio_tokens")),
        tier=_tier(report),
    )


def _chat(report: Json) -> Usage:
    return _openai(report, "prompt", "completion")


def _responses(report: Json) -> Usage:
    return _openai(report, "input", "output")


def _embeddings(report: Json) -> Usage:
    return Usage(input=max(_needed(report, "prompt_tokens"), _count(report, "total_tokens")))


def _messages(report: Json) -> Usage:
    """`input_tokens` are those that touched no cache: the others are added."""
    cached, written = _count(report, "cache_read_input_tokens"), _count(report, "cache_creation_input_tokens")
    by_age = _part(report, "cache_creation")
    hour = _count(by_age, "ephemeral_1h_input_tokens")
    written = max(written, hour + _count(by_age, "ephemeral_5m_input_tokens"))
    output = _needed(report, "output_tokens")
    thinking = _count(_part(report, "output_tokens_details"), "thinking_tokens")
    return Usage(
        input=_needed(report, "input_tokens") + cached + written,
        cached=cached,
        written=written,
        output=output,
        reasoning=min(output, thinking),
        written_hour=min(written, hour),
        tier=_tier(report),
    )


def _counted(_report: Json) -> Usage:
    """Return no usage: counting tokens is free."""
    return Usage()


_READERS = {
    "chat": _chat,
    "responses": _responses,
    "embeddings": _embeddings,
    "messages": _messages,
    "count_tokens": _counted,
}
