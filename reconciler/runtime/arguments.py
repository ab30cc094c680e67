"""The values of a call: checked, looked at by guardrails, and bound to what the target takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.judge import Caller
from reconciler.access.target import Target
from reconciler.model.target import Bound
from reconciler.runtime import gate
from reconciler.runtime.call import Subject
from reconciler.runtime.guardrails.guard import Blocked
from reconciler.runtime.guardrails.tool_call import CallInspection
from reconciler.runtime.results import Refusal


def bound_of(
    target: Target, arguments: Mapping[str, Any], caller: Caller, labels: gate.Labels, inspection: CallInspection | None
) -> Bound:
    """Return the values of a call. Raises Refusal, NoClaim."""
    if wrong := tuple(gate.unfit(arguments, *labels)):
        raise Refusal("invalid-values", unfit=wrong)
    try:
        arguments = inspection.arguments(arguments) if inspection is not None else arguments
    except Blocked as blocked:
        refusal = Refusal("content-blocked", outcome="blocked")
        refusal.noted = blocked.guardrail
        raise refusal from None
    bound = target.inputs.bind(arguments, caller.identity)
    if not isinstance(bound, Bound):
        raise Refusal("invalid-values", unfit=bound)
    return bound


def subject_of_token(caller: Caller, target: Target) -> Subject | None:
    """Return whose token is exchanged for what is reached; None where no token is."""
    ends = (caller.claims or {}).get("exp")
    if caller.token is None or not target.asks_token:
        return None
    return Subject(str(caller.token), float(ends) if isinstance(ends, int | float) else 0.0)
