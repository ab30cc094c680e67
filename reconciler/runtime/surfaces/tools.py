"""Targets and results as agents see them, the same on every surface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import strict_json
from reconciler.access.target import Target
from reconciler.runtime.mediator import Done, Refusal
from reconciler.runtime.surfaces import answers
from reconciler.runtime.surfaces.answers import Plane, PlaneAction, Tool
from reconciler.runtime.surfaces.problem import detail_of


def tool_of(name: str, target: Target) -> Tool:
    """Return a target as a tool: its name, its purpose, and the JSON Schema of its values."""
    return {
        "name": name,
        "description": target.description,
        "action": target.action,
        "read_only": not target.writes,
        "input_schema": {**target.input_schema},
    }


def plane_of(name: str, actions: Mapping[str, Target]) -> Plane:
    """Return a plane: its name, its purpose, and what a caller may do on it."""
    plane = next(iter(actions.values())).chain[0]
    return {
        "name": name,
        "description": plane.body["description"],
        "actions": {action: _action_of(target) for action, target in actions.items()},
    }


def _action_of(target: Target) -> PlaneAction:
    tool = tool_of("", target)
    return {
        "description": tool["description"],
        "read_only": tool["read_only"],
        "input_schema": tool["input_schema"],
    }


def done_of(done: Done) -> answers.Done:
    """Return a finished call: its result as it was written, its evidence, and warnings of limits."""
    answer = done.answer
    result = strict_json.embedded(answer.json)
    found: answers.Done = {"evidence_id": done.evidence_id, "result": result, "rows": answer.rows, "cut": answer.cut}
    if done.warned:
        found["warnings"] = [*done.warned]
    return found


def refusal_of(refusal: Refusal) -> dict[str, Any]:
    """Return why a call has no result, as far as its caller may know."""
    found: dict[str, Any] = {"code": refusal.code}
    if refusal.evidence_id:
        found["evidence_id"] = refusal.evidence_id
    if refusal.unfit:
        found["errors"] = [{"parameter": one.parameter, "message": one.message} for one in refusal.unfit]
    if refusal.retry_after is not None:
        found["retry_after"] = refusal.retry_after
    if detail := detail_of(refusal):
        found["detail"] = detail
    if refusal.outcome:
        found["outcome"] = refusal.outcome
    if refusal.upstream_status is not None:
        found["upstream_status"] = refusal.upstream_status
    return found
