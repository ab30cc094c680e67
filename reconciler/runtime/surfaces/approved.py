"""Calls that wait for an approval, as agents see them: what they are told, and the server's own tool that runs what was approved."""

from __future__ import annotations

from typing import Any

from reconciler import strict_json
from reconciler.model.access import APPROVED_CALL
from reconciler.runtime.approvals import NEXT, REQUIRED, Pending
from reconciler.runtime.ledger.reading import moment
from reconciler.runtime.surfaces.answers import PendingCall
from reconciler.runtime.surfaces.offer import Tools, entries

TOOL = strict_json.write(
    {
        "name": APPROVED_CALL,
        "title": "Run an approved call",
        "description": "Runs a call that needed an approval, with the values that were asked for, once an operator has approved "
        "it. Until then it says so: wait as long as `retry_after` says before calling again.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "approval_id": {"type": "string", "description": "The `approval_id` of the answer that asked to wait."}
            },
            "required": ["approval_id"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": False, "destructiveHint": True},
    }
)
"""The tool as MCP lists it."""


def listing_with_approved(tools: Tools) -> bytes:
    """Return tools as MCP lists them, this one among them."""
    return b"[%b]" % b",".join(found for _, found in sorted({**entries(tools), APPROVED_CALL: TOOL}.items()))


def pending_call(pending: Pending) -> PendingCall:
    """Return what an agent is told about a call that waits."""
    found: PendingCall = {
        "status": REQUIRED,
        "approval_id": pending.waiting.id,
        "expires_at": moment(pending.waiting.expires),
        "retry_after": pending.retry_after or 0,
        "next": NEXT,
    }
    if pending.evidence_id:
        found["evidence_id"] = pending.evidence_id
    return found


def pending_result(pending: Pending) -> dict[str, Any]:
    """Return the same as a tool's result: one whose tool shows an output schema may not have structured content of another form."""
    told = pending_call(pending)
    content = [{"type": "text", "text": strict_json.write(told).decode()}]
    if pending.shows_output:
        return {"content": content, "isError": True, "_meta": {}}
    return {"content": content, "structuredContent": told, "isError": False, "_meta": {}}
