"""Refusals and failures in the shapes of both formats, which official SDKs turn into their own exceptions.

Shapes: https://platform.openai.com/docs/guides/error-codes and https://docs.anthropic.com/en/api/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.codes import Code
from reconciler.kinds.provider.wire import Format
from reconciler.runtime.llm.fields import Wrong

OVERLOADED = 529
"""Anthropic's own status of what OpenAI answers by 503."""
_TYPES: Mapping[Format, Mapping[int, str]] = {
    "openai": {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"},
    "anthropic": {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    },
}
APPROVAL_HEADER = "x-approval-id"
"""Names the approval of a call, in the answer that asks to wait and in the request that is sent again."""
_RETRIED = frozenset({"limit-busy"})
_WIRE_CODES: Mapping[str, str] = {"not-found": "model_not_found"}
STATUSES: Mapping[str, int] = {
    "not-found": 404,
    "frozen": 403,
    "limit-exceeded": 429,
    "limit-busy": 429,
    "limit-unreachable": 429,
    "limit-blocked": 429,
    "too-large": 413,
    "unavailable": 503,
    "stopping": 503,
    "overloaded": 503,
    "breaker-open": 503,
    "internal-error": 500,
    "timeout": 504,
    "unauthenticated": 401,
    "too-many-approvals": 429,
    "wrong-media-type": 415,
    **dict.fromkeys(
        ("approval-required", "approval-denied", "approval-expired", "approval-stale", "approval-used"),
        403,  # SDKs repeat a 409
    ),
    **dict.fromkeys(
        (
            *("state-not-supported", "field-not-supported", "tool-not-supported", "format-not-supported"),
            *("content-blocked", "invalid-json", "invalid-values", "invalid-run", "bound-unknown", "price-unknown"),
        ),
        400,
    ),
}
"""By the code of a refusal; whatever else keeps a call from its answer is the provider's failure, or its operator's: 502."""


class WireError(NamedTuple):
    """An error before it has a format. ``evidence_id`` is what its evidence is found by; ``upstream``: the provider failed."""

    code: Code
    message: str
    status: int = 400
    param: str = ""
    retry_after: int | None = None
    evidence_id: str = ""
    approval_id: str = ""
    """Of a call that waits for an approval."""
    expires_at: str = ""
    """When that request expires."""

    @property
    def should_retry(self) -> bool:
        """Whether an SDK may send the same again: what is refused for good is not asked twice."""
        return self.code in _RETRIED or self.status == 503


def of_wrong(wrong: Wrong) -> WireError:
    """Return the error of a request that does not fit."""
    return WireError(wrong.code, wrong.message, status_of(wrong.code), wrong.field)


def status_of(code: str) -> int:
    """Return the status of a code."""
    return STATUSES.get(code, 502)


def wire_code(code: str) -> str:
    """Return a code as agents see it in both formats."""
    return _WIRE_CODES.get(code, code.replace("-", "_"))


def body_of(error: WireError, format_: Format) -> dict[str, Any]:
    """Return the JSON of an error."""
    status = _status(error, format_)
    other = "invalid_request_error" if status < 500 else "server_error" if format_ == "openai" else "api_error"
    kind, code = _TYPES[format_].get(status, other), wire_code(error.code)
    waits = {"approval_id": error.approval_id, "expires_at": error.expires_at} if error.approval_id else {}
    if format_ == "openai":
        return {"error": {"message": error.message, "type": kind, "param": error.param or None, "code": code, **waits}}
    inner = {"type": kind, "message": error.message, "code": code, **waits}
    return {"type": "error", "error": inner, "request_id": error.evidence_id or None}


def bytes_of(error: WireError, format_: Format) -> bytes:
    """Return an error as JSON text."""
    return strict_json.write(body_of(error, format_))


def event_of(error: WireError, format_: Format) -> bytes:
    """Return the last event of a stream that failed."""
    name = b"event: error\n" if format_ == "anthropic" else b""
    return name + b"data: %s\n\n" % bytes_of(error, format_)


def head_of(error: WireError, format_: Format) -> tuple[int, dict[str, str]]:
    """Return status and headers of an error."""
    headers = {"content-type": "application/json", "x-should-retry": "true" if error.should_retry else "false"}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.evidence_id:
        headers["request-id" if format_ == "anthropic" else "x-request-id"] = error.evidence_id
    if error.approval_id:
        headers[APPROVAL_HEADER] = error.approval_id
    return _status(error, format_), headers


def _status(error: WireError, format_: Format) -> int:
    return OVERLOADED if error.status == 503 and format_ == "anthropic" else error.status
