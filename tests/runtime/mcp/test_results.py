"""What is passed on of a tool's result: what its schema promises, and marked as somebody else's words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.runtime.call import Answer, Failed
from reconciler.runtime.connectors.mcp import _answer
from reconciler.runtime.mediator import Done
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_wire import Request
from reconciler.strict_json import write
from tests.runtime.worlds import BOT

SCHEMA = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}


def told(structured: Any, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "5"}], "structuredContent": structured, "isError": False, **more}


def test_a_result_that_its_schema_promises_is_passed_on() -> None:
    found = _answer(told({"result": 5}, _meta={"reconciler/untrusted": False}), SCHEMA, "unknown")
    assert found.content == told({"result": 5})


@pytest.mark.parametrize("structured", [{"result": "5"}, {}, None, [5]])
@pytest.mark.parametrize("after", ["unknown", "failure"])
def test_one_that_is_not_is_no_result(structured: Any, after: str) -> None:
    """A tool that may write has run by then."""
    with pytest.raises(Failed) as caught:
        _answer(told(structured), SCHEMA, after)
    assert (caught.value.code, caught.value.outcome) == ("invalid-response", after)


def test_an_error_of_the_tool_needs_no_structure() -> None:
    found = _answer({"content": [], "isError": True}, SCHEMA, "unknown")
    assert found.is_error


class Others:
    """A mediator whose one tool is that of somebody else's server, or ours."""

    def __init__(self, foreign: bool) -> None:
        self.foreign = foreign

    async def access(self, *_: Any) -> Done:
        content = told({"result": 5}, _meta={"reconciler/untrusted": False}) if self.foreign else [{"n": 1}]
        return Done("e" * 32, Answer(content, None, 9, json=write(content)), foreign=self.foreign)

    def target_of(self, _who: Caller, name: str) -> str:
        return f"tool/{name}"

    def ask(self, _who: Caller, name: str) -> Ask:
        return Ask(name)

    def searches(self, _who: Caller) -> bool:
        return False


@pytest.mark.parametrize("foreign", [True, False])
def test_what_another_server_wrote_is_marked(foreign: bool) -> None:
    """The mark is ours: what the server says of itself does not count."""
    others: Any = Others(foreign)
    asked = Request(1, "tools/call", {"name": "x", "arguments": {}})
    result = json.loads(asyncio.run(Mcp(others, others).answer(BOT, asked)).text)
    assert result["_meta"].get("reconciler/untrusted") is (True if foreign else None)
