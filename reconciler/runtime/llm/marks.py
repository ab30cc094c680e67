"""What an event of a stream means: a preamble, output, the end of the answer, or an error.

A call may go to another deployment until the first output event. A stream without its end was cut, however cleanly its
connection was closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from reconciler.runtime.llm.request import EndpointName

Mark: TypeAlias = Literal["preamble", "output", "end", "error"]
DONE = b"[DONE]"
"""Ends a stream of chat completions; Azure and others send it too, and it is no JSON."""
_RESPONSES_BEGIN = frozenset(
    {
        *("response.created", "response.in_progress", "response.queued"),
        *("response.output_item.added", "response.content_part.added", "response.reasoning_summary_part.added"),
    }
)
_RESPONSES_END = frozenset({"response.completed", "response.incomplete"})
_RESPONSES_FAILED = frozenset({"error", "response.failed"})


def mark_of(endpoint: EndpointName, body: Any) -> Mark:
    """Return what the JSON of an event's data means; unknown events are output, since nothing can be taken back after them."""
    if not isinstance(body, dict):
        return "output"
    return _MARKS[endpoint](body)


def _chat(body: Mapping[str, Any]) -> Mark:
    if body.get("error") is not None:
        return "error"
    choices = body.get("choices")
    if not choices:
        return "preamble"  # Azure's filter of the prompt, or the usage at the end
    if not isinstance(choices, list) or not all(isinstance(one, dict) for one in choices):
        return "output"
    if any(one.get("finish_reason") for one in choices):
        return "end"
    return "output" if any(_says(one.get("delta")) for one in choices) else "preamble"


def _says(delta: Any) -> bool:
    """Whether a delta carries more than a role."""
    if not isinstance(delta, dict):
        return delta is not None
    return any(value for name, value in delta.items() if name != "role")


def _responses(body: Mapping[str, Any]) -> Mark:
    kind = body.get("type")
    if kind in _RESPONSES_FAILED:
        return "error"
    if kind in _RESPONSES_END:
        return "end"
    return "preamble" if kind in _RESPONSES_BEGIN else "output"


def _messages(body: Mapping[str, Any]) -> Mark:
    kind = body.get("type")
    if kind == "content_block_start":
        block = body.get("content_block")
        is_empty = isinstance(block, dict) and not any(
            block.get(name) for name in ("text", "thinking", "name", "input", "data", "content")
        )
        return "preamble" if is_empty else "output"
    if kind in {"message_start", "ping"}:
        return "preamble"
    return "error" if kind == "error" else "end" if kind == "message_stop" else "output"


_MARKS: Mapping[EndpointName, Callable[[Mapping[str, Any]], Mark]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
}
