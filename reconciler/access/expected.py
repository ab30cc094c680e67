"""Access tests held against a snapshot."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.access.decide import Decision
from reconciler.access.judge import Caller, Question, judge, surface
from reconciler.access.snapshot import Snapshot
from reconciler.kinds.access_test import Case, Test
from reconciler.model.target import Bound


class Verdict(NamedTuple):
    """``message`` says what came out; of a test that failed, what was expected as well. ``passed`` is None for a skipped test."""

    case: Case
    passed: bool | None
    message: str


def verdict_of(case: Case, snapshot: Snapshot) -> Verdict:
    """Hold a test against a snapshot. Freezes are not looked at: they are no part of files."""
    tenant, test = snapshot.tenant(case.tenant), case.test
    claims = test.claims if test.claims or test.arguments is not None else None
    question = Question(test.caller, test.target or "", test.action, tuple(test.roles), claims)
    caller = question.caller_in(tenant)
    if test.tools is not None:
        seen = sorted(surface(tenant, None, caller))
        return Verdict(case, seen == [*test.tools], _surface(test.caller, seen, test.tools))
    decision = judge(tenant, None, caller, question.ask)
    if decision.allowed and (unfit := _unfit(decision, caller, test)):
        return Verdict(case, False, f"the call is allowed, and its arguments are not taken: {unfit}")
    word = "allow" if decision.allowed else "deny"
    wrong_policy = test.by is not None and test.by != decision.policy
    passed = word == test.expect and not wrong_policy
    expected = "" if passed else f"; expected {test.expect}{f' by {test.by}' if test.by else ''}"
    return Verdict(case, passed, f"{word}: {said(decision)}{expected}")


def _unfit(decision: Decision, caller: Caller, test: Test) -> str:
    """Return what is wrong with the arguments, if the test gives any."""
    if decision.target is None or test.arguments is None:
        return ""
    bound = decision.target.inputs.bind(test.arguments, caller.identity)
    return "" if isinstance(bound, Bound) else "; ".join(f"{one.parameter}: {one.message}" for one in bound)


def said(decision: Decision) -> str:
    """Why, with the policy that decided."""
    return f"{decision.message}{f' ({decision.policy})' if decision.policy else ''}"


def _surface(caller: str, seen: list[str], expected: tuple[str, ...]) -> str:
    more, less = sorted({*seen} - {*expected}), sorted({*expected} - {*seen})
    if not more and not less:
        return f"{caller} sees {', '.join(seen) or 'no tools'}"
    told = [f"sees {', '.join(more)} as well"] if more else []
    told += [f"does not see {', '.join(less)}"] if less else []
    return f"{caller} {' and '.join(told)}"
