"""A tool of an MCP server as a target: `tool/CONNECTOR/TOOL`, with the definition that was pinned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.connector.mcp_inputs import ToolInputs
from reconciler.kinds.connector.mcp_tool import shown_name
from reconciler.model.body import Body
from reconciler.model.target import APPROVAL, NOT_PINNED, UNKNOWN, UNUSABLE, Calls, Look, Operation

WORD = "tool"
ACTION = "invoke"


def resolve(name: str, _action: str | None, look: Look) -> Operation | str:
    """Return what a call of CONNECTOR/TOOL does."""
    connector, _, tool = name.partition("/")
    target = f"connector/{connector}"
    body = look(target)
    found = body["tools"].get(tool) if body is not None and body.get("type") == "mcp" else None
    if found is None:
        return UNKNOWN
    if not is_pinned(found):
        return NOT_PINNED
    if digest_of(tool, found["definition"]) != found["pin"]:
        return UNUSABLE
    obligations = (APPROVAL,) if found["requires_approval"] else ()
    return Operation((target,), target, ACTION, may_write(found), ToolInputs(found), found, tool, obligations)


def is_pinned(tool: Body) -> bool:
    """Whether a tool has what a call of it needs: the definition that was pinned."""
    return tool.get("definition") is not None and tool.get("pin") is not None


def may_write(tool: Body) -> bool:
    """Whether a call may change something: a reviewer says so, else the pinned hint, and else it may."""
    said = tool.get("read_only")
    if said is not None:
        return not said
    hints = (tool.get("definition") or {}).get("annotations") or {}
    return hints.get("readOnlyHint") is not True


def _tools(name: str, body: Body) -> Iterator[tuple[str, str]]:
    for tool, said in (body.get("tools") or {}).items() if body.get("type") == "mcp" else ():
        yield shown_name(name, tool, said.get("tool_name")), f"{WORD}/{name}/{tool}"


def _parts(body: Body) -> Mapping[str, Body]:
    return body.get("tools") or {}


CALLS = Calls(WORD, resolve, _tools, _parts)
