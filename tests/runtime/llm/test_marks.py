"""What events of streams mean: from which on there is no second try, and which ends an answer."""

from __future__ import annotations

import pytest

from reconciler.runtime.llm.marks import mark_of


def chunk(delta=None, finish=None, **more):
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


MARKS = [
    ("chat", chunk({"role": "assistant", "content": ""}), "preamble"),
    ("chat", {"choices": [], "prompt_filter_results": [{}]}, "preamble"),
    ("chat", {"choices": [], "usage": {"prompt_tokens": 1}}, "preamble"),
    ("chat", chunk({"content": "hi"}), "output"),
    ("chat", chunk({"refusal": "no"}), "output"),
    ("chat", chunk({"reasoning_content": "hm"}), "output"),
    ("chat", chunk({"tool_calls": [{"index": 0}]}), "output"),
    ("chat", chunk({}, "stop"), "end"),
    ("chat", {"error": {"message": "overloaded"}}, "error"),
    ("chat", {"choices": "?"}, "output"),
    ("chat", "?", "output"),
    ("responses", {"type": "response.created", "response": {}}, "preamble"),
    ("responses", {"type": "response.output_item.added", "item": {}}, "preamble"),
    ("responses", {"type": "response.output_text.delta", "delta": "x"}, "output"),
    ("responses", {"type": "response.something_new"}, "output"),
    ("responses", {"type": "response.completed"}, "end"),
    ("responses", {"type": "response.incomplete"}, "end"),
    ("responses", {"type": "response.failed"}, "error"),
    ("responses", {"type": "error"}, "error"),
    ("messages", {"type": "message_start", "message": {}}, "preamble"),
    ("messages", {"type": "ping"}, "preamble"),
    ("messages", {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, "preamble"),
    ("messages", {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f"}}, "output"),
    ("messages", {"type": "content_block_delta", "delta": {"text": "x"}}, "output"),
    ("messages", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "output"),
    ("messages", {"type": "message_stop"}, "end"),
    ("messages", {"type": "error", "error": {"type": "overloaded_error"}}, "error"),
]


@pytest.mark.parametrize(("endpoint", "body", "mark"), MARKS)
def test_marks(endpoint, body, mark):
    assert mark_of(endpoint, body) == mark
