"""Refusals turned into HTTP's problem details (RFC 9457), which hold no more than a caller may know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.diff.visible import visible_json
from reconciler.runtime.mediator import Refusal

REFUSALS: Mapping[Code, tuple[int, str]] = {
    "not-found": (404, "There is nothing of this name that you may use."),
    "invalid-values": (422, "The values are not what this takes."),
    "content-blocked": (422, "A guardrail refuses what is in the call, or in its result."),
    "internal-error": (500, "This is a defect of the server."),
    "limit-exceeded": (429, "A limit is used up."),
    "breaker-open": (503, "The system behind this has failed again and again, and is not called for now."),
    "unavailable": (503, "It can't be done safely at the moment."),
    "frozen": (503, "This was taken out of use while it ran."),
    "stopping": (503, "The server stopped before this had ended."),
    "timeout": (504, "The other side took too long."),
    "key-reused": (422, "This Idempotency-Key belongs to another call; take a new one."),
    "still-running": (409, "The call with this Idempotency-Key has not ended yet."),
    "outcome-unknown": (409, "Whether the call with this Idempotency-Key was done is not known."),
    "approval-denied": (403, "An operator has denied this call."),
    "approval-expired": (409, "The approval was not given or not used in time; call again to ask anew."),
    "approval-stale": (409, "The approval is for another call, or what it is for has changed; call again to ask anew."),
    "approval-used": (409, "The approval was used before; call again to ask anew."),
    "too-many-approvals": (429, "Too many calls wait for an approval already."),
    "no-such-file": (404, "There is no file of this name."),
    "file-exists": (409, "A file of this name exists, and is not replaced."),
    "file-too-large": (422, "The file is larger than allowed."),
    "result-not-kept": (409, "The call with this Idempotency-Key was done; its result is not kept."),
}
BY_OUTCOME: Mapping[str, tuple[int, str]] = {
    "blocked": (422, "This call can't be made as it is, and nothing was done."),
    "unknown": (502, "Whether this was done is not known; it is not repeated by itself."),
}
"""For the codes of connectors, which ``REFUSALS`` does not name."""
_NEXT = "Other values don't help: whoever maintains the template changes its statement, or what its datasource lists."
FAILED = (502, "The other side did not do what was asked.")


class Json(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return strict_json.write_around(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set what every answer in JSON has: nobody names its type or length otherwise."""
        more = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        own = [(b"content-length", b"%d" % len(self.body)), (b"content-type", str(self.media_type).encode())]
        self.raw_headers = more + own


REFUSED = "refused"
"""Where a request's scope holds the code of its refusal, from which the guard counts it; surfaces that answer in another form
than a problem document put it there themselves."""


class ShownJson(Json):
    """An answer about what is declared, which people read too: nothing in it is hidden, and it means the same."""

    def render(self, content: Any) -> bytes:
        return visible_json(super().render(content).decode()).encode()


class ProblemJson(Json):
    """A response with a problem by RFC 9457."""

    media_type = "application/problem+json"
    code: Code
    title: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.note(scope)
        await super().__call__(scope, receive, send)

    def note(self, scope: Scope) -> None:
        scope[REFUSED] = self.code


def problem(status: int, code: Code, title: str, headers: Mapping[str, str] | None = None, **more: Any) -> ProblemJson:
    """Return a problem as a response."""
    told = {"type": f"urn:reconciler:problem:{code}", "title": title, "status": status, "code": code}
    kept = {key: value for key, value in more.items() if value not in (None, "", [])}
    answer = ProblemJson({**told, **kept}, status, headers)
    answer.code, answer.title = code, title
    return answer


def detail_of(refusal: Refusal) -> str:
    """Return what is at fault, and the next step; "" where the code says all."""
    return f"{refusal.detail}. {_NEXT}" if refusal.detail else ""


def of_refusal(refusal: Refusal) -> ProblemJson:
    """Return the response to a refused call."""
    status, title = REFUSALS.get(refusal.code) or BY_OUTCOME.get(refusal.outcome, FAILED)
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else None
    errors = [{"parameter": one.parameter, "message": one.message} for one in refusal.unfit]
    more = {
        "detail": detail_of(refusal),
        "outcome": refusal.outcome,
        "errors": errors,
        "upstream_status": refusal.upstream_status,
    }
    return problem(status, refusal.code, title, headers, evidence_id=refusal.evidence_id, **more)
