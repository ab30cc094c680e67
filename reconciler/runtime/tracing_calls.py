"""What a request's span says of the call that it made: who, what, and what came of it."""

from __future__ import annotations

from reconciler.runtime.ledger.entries import Denial, Intent, Outcome
from reconciler.runtime.tracing import CALL_SECONDS, CURRENT, OPERATION, TOOL, Attribute


def trace_id() -> str:
    """Return the trace id that evidence keeps; "" where nothing is traced."""
    current = CURRENT.get()
    return "" if current is None else current.trace


def denied(denial: Denial, evidence_id: str) -> None:
    """Note on the request's span that a call was refused. An unknown target is text of the caller, and is left out."""
    current = CURRENT.get()
    if current is not None:
        known = {"reconciler.target": denial.target, "reconciler.action": denial.action} if denial.chain else {}
        current.note({**known, **_who(denial), "reconciler.code": denial.reason, "reconciler.evidence.id": evidence_id})


def ended(intent: Intent, tool: str, outcome: Outcome, seconds: float, operation: str = "execute_tool") -> None:
    """Note on the request's span what came of a call that was admitted. A model's ``operation`` has no tool."""
    current = CURRENT.get()
    if current is None:
        return
    noted: dict[str, Attribute] = {
        OPERATION: operation,
        **({TOOL: tool or intent.target} if operation == "execute_tool" else {}),
        **_who(intent),
        "reconciler.target": intent.target,
        "reconciler.action": intent.action,
        "reconciler.policy": intent.policy,
        "reconciler.evidence.id": intent.id,
        "reconciler.outcome": outcome.outcome,
    }
    if outcome.code:
        noted["reconciler.code"] = outcome.code
    current.note(noted)
    labels = {"reconciler.target.type": intent.target.partition("/")[0], "reconciler.outcome": outcome.outcome}
    current.observe(CALL_SECONDS, seconds, labels)


def _who(call: Intent | Denial) -> dict[str, Attribute]:
    return {"reconciler.tenant": call.tenant, "reconciler.caller": call.caller}
