"""The agents' MCP server: the tools of who asks, and no others; over HTTP, and over stdio for one caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from reconciler import __version__, strict_json
from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.runtime.mediator import Mediator, Refusal
from reconciler.runtime.surfaces.tools import tool_of
from reconciler.strict_json import NotStrict

INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603
WhoAsks = Callable[[Any], Caller]
"""From a request's context; its transport has proved who it is."""
ArgumentsOf = Callable[[Any], Mapping[str, Any]]
"""From a request's context, what a call's arguments are, read strictly; raises NotStrict."""


def mcp_server(mediator: Mediator, who_asks: WhoAsks, arguments_of: ArgumentsOf) -> Server[Any]:
    """Session ids carry no authority: who asks is proved, and decided, anew for each request."""

    async def list_tools(context: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        try:
            found = mediator.tools(who_asks(context))
        except Refusal:
            raise MCPError(INTERNAL_ERROR, "It can't be done safely at the moment.") from None
        return types.ListToolsResult(tools=[_tool(tool_of(name, target)) for name, target in found.items()])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        who = who_asks(context)
        try:
            target = mediator.target_of(who, params.name)
            done = await mediator.access(who, Ask(target), arguments_of(context))
        except NotStrict as error:
            raise MCPError(INVALID_PARAMS, f"Send strict JSON: {error}.") from None
        except Refusal as refusal:
            if refusal.code == "not-found":
                raise MCPError(INVALID_PARAMS, "There is no tool of this name that you may use.") from None
            return _error(refusal)
        content = done.answer.content
        told = {"evidence_id": done.evidence_id, "result": content, "rows": done.answer.rows, "cut": done.answer.cut}
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=done.answer.json.decode())], structured_content=told
        )

    return Server("reconciler", version=__version__, on_list_tools=list_tools, on_call_tool=call_tool)


def _tool(told: dict[str, Any]) -> types.Tool:
    hints = types.ToolAnnotations(read_only_hint=told["read_only"], destructive_hint=not told["read_only"])
    return types.Tool(
        name=told["name"], description=told["description"] or None, input_schema=told["input_schema"], annotations=hints
    )


def _error(refusal: Refusal) -> types.CallToolResult:
    """Inside of the result, so that the model can see it and correct itself."""
    told: dict[str, Any] = {"code": refusal.code, "evidence_id": refusal.evidence_id}
    if refusal.unfit:
        told["errors"] = [{"parameter": one.parameter, "message": one.message} for one in refusal.unfit]
    if refusal.retry_after is not None:
        told["retry_after"] = refusal.retry_after
    if refusal.outcome:
        told["outcome"] = refusal.outcome
    text = strict_json.write(told).decode()
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=told, is_error=True
    )
