"""What comes of a call: a result, or why there is none, as far as a caller may know."""

from __future__ import annotations

import asyncio
from typing import Literal, NamedTuple

from reconciler.codes import Code
from reconciler.model.target import Unfit
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.guardrails.guard import Blocked
from reconciler.runtime.ledger.entries import Repeated
from reconciler.runtime.repeats import Repeat
from reconciler.runtime.underway import Running
from reconciler.strict_json import NotStrict

_ENDED = {"frozen": "blocked", "timeout": "timeout", "stopping": "failure", "cancelled": "failure"}
"""What came of a call that was ended from here, and has changed nothing."""
_OUTCOMES = frozenset({"failure", "timeout", "blocked", "unknown"})


class Done(NamedTuple):
    """A call that succeeded."""

    evidence_id: str
    answer: Answer
    warned: tuple[str, ...] = ()
    replayed: bool = False
    """It was done before, for the same Idempotency-Key: this is what came of it then."""
    foreign: bool = False
    """The answer is that of somebody else's server, in the form in which that one gives it."""


class Refusal(Exception):
    """Why there is no result, as far as a caller may know.

    ``code`` is one of not-found (missing, foreign and denied look the same), invalid-values (``unfit`` says which), limit-exceeded
    (``retry_after`` in seconds), unavailable (evidence or what is in force), key-reused, still-running, outcome-unknown
    and result-not-kept (what became of the call that had the same Idempotency-Key, whose evidence is named), or a
    connector's own code, with ``outcome`` and, of an HTTP upstream, its ``upstream_status``. ``detail`` says what of the
    template is at fault, for whoever maintains it.
    """

    detail = ""
    noted = ""
    """What evidence says of it, and no caller learns: the guardrail that refuses."""

    def __init__(
        self,
        code: Code,
        evidence_id: str = "",
        unfit: tuple[Unfit, ...] = (),
        retry_after: int | None = None,
        outcome: str = "",
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.evidence_id, self.unfit = code, evidence_id, unfit
        self.retry_after, self.outcome, self.upstream_status = retry_after, outcome, upstream_status


def because(refusal: Refusal, error: BaseException) -> Refusal:
    """Say what a statement reaches that it may not: it stands in the template, whatever the caller's values are."""
    if refusal.code == "statement-refused":
        refusal.detail = str(error)
    return refusal


class Ended(NamedTuple):
    """How a call ended, as evidence and metrics record it."""

    outcome: str
    code: Code | Literal[""] = ""
    status: int | None = None
    retry_after: int | None = None


def ended_by(error: BaseException, running: Running, call: Call) -> Ended:
    """Return what a call came to that raised an error, whoever raised it."""
    after = "unknown" if call.effect and call.target.writes else ""
    if isinstance(error, Failed):
        outcome = error.outcome if error.outcome in _OUTCOMES else "unknown"
        return Ended(outcome, error.code, error.status, error.retry_after)
    if isinstance(error, Blocked):
        return Ended("success", "content-blocked")  # it was done, and its result goes to nobody
    if isinstance(error, NotStrict):
        return Ended(after or "failure", "unreadable-result")
    if isinstance(error, asyncio.CancelledError):
        code: Code = running.ended or "cancelled"
        return Ended(after or _ENDED[code], code)
    return Ended(after or "failure", "internal-error")


def evidence_code(code: str, call: Call) -> str:
    """Return the code of an outcome as evidence has it, with what guardrails found: `content-found no-cards=2`."""
    return with_found(code, call.inspection.found if call.inspection is not None else "")


def with_found(code: str, found: str) -> str:
    """Return a code with what guardrails found."""
    return f"{code or 'content-found'} {found}" if found else code


def again(repeated: Repeated, repeat: Repeat | None) -> Done:
    """Return what a call with the same key came to. Raises Refusal."""
    if repeated.state == "done":
        answer = repeat.opened(repeated.id, repeated.kept) if repeat and repeated.kept else None
        if answer is None:
            raise Refusal("result-not-kept", repeated.id, outcome="success")
        return Done(repeated.id, answer, replayed=True)
    if repeated.state == "running":
        raise Refusal("still-running", repeated.id, retry_after=1)
    if repeated.state == "reused":
        raise Refusal("key-reused", repeated.id)
    raise Refusal("outcome-unknown", repeated.id, outcome="unknown")
