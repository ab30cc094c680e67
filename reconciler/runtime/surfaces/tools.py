"""Targets and results as agents see them, the same on every surface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import strict_json
from reconciler.access.target import Target
from reconciler.runtime.mediator import Done, Refusal


def tool_of(name: str, target: Target) -> dict[str, Any]:
    """Return a target as a tool: its name, its purpose, and the JSON Schema of its values."""
    return {
        "name": name,
        "description": target.description,
        "action": target.action,
        "read_only": not target.writes,
        "input_schema": target.input_schema,
    }


def plane_of(name: str, actions: Mapping[str, Target]) -> dict[str, Any]:
    """Return a plane: its name, its purpose, and what a caller may do on it."""
    plane = next(iter(actions.values())).chain[0]
    told = {action: tool_of(f"{name}/{action}", target) for action, target in actions.items()}
    for one in told.values():
        del one["name"], one["action"]
    return {"name": name, "description": plane.body["description"], "actions": told}


def done_of(done: Done) -> dict[str, Any]:
    """Return a finished call: its result as it was written, and what an agent has to know of it."""
    answer = done.answer
    warnings = {"warnings": [*done.warned]} if done.warned else {}
    result = strict_json.embedded(answer.json)
    return {"evidence_id": done.evidence_id, "result": result, "rows": answer.rows, "cut": answer.cut, **warnings}


def refusal_of(refusal: Refusal) -> dict[str, Any]:
    """Return why a call has no result, as far as its caller may know."""
    found: dict[str, Any] = {"code": refusal.code}
    if refusal.evidence_id:
        found["evidence_id"] = refusal.evidence_id
    if refusal.unfit:
        found["errors"] = [{"parameter": one.parameter, "message": one.message} for one in refusal.unfit]
    if refusal.retry_after is not None:
        found["retry_after"] = refusal.retry_after
    if refusal.outcome:
        found["outcome"] = refusal.outcome
    if refusal.upstream_status is not None:
        found["upstream_status"] = refusal.upstream_status
    return found
