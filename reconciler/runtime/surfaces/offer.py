"""What one MCP endpoint offers a caller: all its tools, or the actions of one plane; as they are listed, searched and called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from reconciler import strict_json
from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.access.target import Target
from reconciler.model.access import ACTIONS
from reconciler.model.address import is_name
from reconciler.model.characters import visible
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.surfaces.tools import tool_of

T = TypeVar("T")
Tools = Mapping[str, Target]
"""Targets by the names under which an endpoint offers them."""


class ToolOffer(Protocol):
    """What an endpoint offers. Each answer is decided anew; all raise Refusal."""

    def made(self, who: Caller, make: Callable[[Tools], T]) -> T:
        """Return what a function makes of the tools that a caller may call, and no others."""
        ...

    def ask(self, who: Caller, name: str) -> Ask:
        """Return what a call of a name asks for; for an unknown one, something that is unknown as well."""
        ...

    def searches(self, who: Caller) -> bool:
        """Whether a model gets tools to search with, instead of a list of all."""
        ...


class AllTools:
    """Everything that a caller may call by the name of a tool; made things are kept for each set of tools in a snapshot."""

    def __init__(self, mediator: Mediator, searches: bool = False) -> None:
        self._mediator, self._searches = mediator, searches

    def made(self, who: Caller, make: Callable[[Tools], T]) -> T:
        return self._mediator.of_tools(who, make)

    def ask(self, who: Caller, name: str) -> Ask:
        return Ask(self._mediator.target_of(who, name))

    def searches(self, who: Caller) -> bool:
        return self._searches


class PlaneTools:
    """The actions that a caller may take on one plane. A missing plane offers what a denied one does: nothing."""

    def __init__(self, mediator: Mediator, plane: str) -> None:
        self._mediator = mediator
        self._target = f"plane/{plane if is_name(plane) else '?'}"

    def made(self, who: Caller, make: Callable[[Tools], T]) -> T:
        return make(self._mediator.actions(who, self._target))

    def ask(self, who: Caller, name: str) -> Ask:
        return Ask(self._target, name if name in ACTIONS else "none")

    def searches(self, who: Caller) -> bool:
        found = self._mediator.actions(who, self._target)
        return any(target.chain[0].body.get("discovery") == "search" for target in found.values())


def listing(tools: Tools) -> bytes:
    """Return tools as MCP lists them, a JSON array."""
    return b"[%b]" % b",".join(entries(tools).values())


def entries(tools: Tools) -> dict[str, bytes]:
    """Return each tool as MCP lists it, by its name."""
    return {
        name: target.once(_entry) if name == target.tool else _named(name, target) for name, target in tools.items()
    }


def _entry(target: Target) -> bytes:
    return _named(target.tool, target)


def _named(name: str, target: Target) -> bytes:
    tool = tool_of(name, target)
    described = {"description": tool["description"]} if tool["description"] else {}
    hints = {"readOnlyHint": tool["read_only"], "destructiveHint": not tool["read_only"]}
    pinned = (target.part or {}).get("definition") or {}
    titled = {"title": visible(pinned["title"])} if pinned.get("title") else {}
    output = {"outputSchema": pinned["output"]} if pinned.get("output") else {}
    hints = {**(pinned.get("annotations") or {}), "readOnlyHint": hints["readOnlyHint"]} if pinned else hints
    told = {"name": tool["name"], **titled, **described, "inputSchema": tool["input_schema"], **output}
    return strict_json.write({**told, "annotations": hints})
