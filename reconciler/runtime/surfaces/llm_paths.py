"""The paths of models' formats, and the answers there in their shapes, from the first check on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

from reconciler.kinds.provider.wire import Format
from reconciler.runtime.approvals import Pending
from reconciler.runtime.ledger.reading import moment
from reconciler.runtime.llm.errors import WireError, bytes_of, event_of, head_of, status_of
from reconciler.runtime.llm.request import ENDPOINTS, Endpoint
from reconciler.runtime.results import Refusal
from reconciler.runtime.surfaces.incoming import header
from reconciler.runtime.surfaces.problem import REFUSALS, REFUSED, ProblemJson

BY_PATH: Mapping[str, Endpoint] = {one.path: one for one in ENDPOINTS.values()}
MODELS = "/v1/models"
UNSERVED = tuple(
    f"/v1/{name}"
    for name in (
        *("assistants", "audio", "batches", "chat/completions/", "completions", "containers", "conversations", "evals"),
        *(
            "files",
            "fine_tuning",
            "images",
            "moderations",
            "realtime",
            "responses/",
            "threads",
            "uploads",
            "vector_stores",
        ),
        *("videos", "complete", "messages/batches", "skills", "organizations"),
    )
)
"""Begin the paths of endpoints that providers have, and this server does not."""
SERVED = ", ".join((*BY_PATH, MODELS))


def is_of_models(path: str) -> bool:
    """Whether a path belongs to the formats of models."""
    return path in BY_PATH or path == MODELS or path.startswith((f"{MODELS}/", *UNSERVED))


def format_of(scope: Scope) -> Format | None:
    """Return the format that a request is answered in; None on paths that are not of models."""
    path = scope["path"]
    if (endpoint := BY_PATH.get(path)) is not None:
        return endpoint.format
    if not is_of_models(path):
        return None
    is_anthropic = path.startswith("/v1/messages") or header(scope, b"anthropic-version") is not None
    return "anthropic" if is_anthropic else "openai"


def credential_of(path: str, headers: Mapping[bytes, bytes]) -> str:
    """Return what a request proves its caller with, as an Authorization header: on paths of models, `x-api-key` is one too."""
    given = headers.get(b"authorization", b"").decode("latin-1")
    if not given and b"x-api-key" in headers and is_of_models(path):
        return f"Bearer {headers[b'x-api-key'].decode('latin-1')}"
    return given


class WireResponse(Response):
    """A response with an error in the shape of a format."""

    def __init__(self, error: WireError, format_: Format, more: Mapping[str, str] | None = None) -> None:
        status, headers = head_of(error, format_)
        super().__init__(bytes_of(error, format_), status, {**(more or {}), **headers})
        self.code = error.code

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        scope[REFUSED] = self.code
        await super().__call__(scope, receive, send)


def of_problem(problem: ProblemJson) -> WireError:
    """Return a refusal of the door or the guard as an error of a format."""
    asked = problem.headers.get("retry-after", "")
    words = f"{problem.title}".rstrip(".")
    status = status_of(problem.code) if problem.code in {"frozen"} else problem.status_code
    return WireError(problem.code, words, status, retry_after=int(asked) if asked.isdigit() else None)


def of_refusal(refusal: Refusal) -> WireError:
    """Return a refusal of the mediator as an error of a format."""
    status = status_of(refusal.code)
    unfit = refusal.unfit[0] if refusal.unfit else None
    known = _WORDS.get(refusal.code) or (REFUSALS[refusal.code][1] if refusal.code in REFUSALS else _FAILED)
    words = unfit.message if unfit is not None else known.rstrip(".")
    param = unfit.parameter if unfit is not None else ""
    found = WireError(refusal.code, words, status, param, refusal.retry_after, refusal.evidence_id)
    if isinstance(refusal, Pending):
        return found._replace(approval_id=refusal.waiting.id, expires_at=moment(refusal.waiting.expires))
    return found


_FAILED = "The provider did not answer as it should have, or could not be reached"
_WORDS: Mapping[str, str] = {
    "not-found": "There is no such model that you may use; GET /v1/models lists those that there are",
    "content-blocked": "A guardrail refuses what is in this",
    "credential-refused": "The provider refuses the credential of this server; its operator has to mend that",
    "approval-required": "An operator has to approve this call; send the same request again with the header X-Approval-Id then",
    "stream-cut": "The provider's stream ended before its answer did",
    "upstream-limited": "A limit at the provider is used up",
}


def shaped(scope: Scope, answer: Response) -> Response:
    """Return a problem in the shape of the format that the path belongs to; any other answer as it is."""
    format_ = format_of(scope) if isinstance(answer, ProblemJson) else None
    if format_ is None or not isinstance(answer, ProblemJson):
        return answer
    kept = {
        name: value for name, value in answer.headers.items() if name in {"www-authenticate", "connection", "allow"}
    }
    return WireResponse(of_problem(answer), format_, kept)


def last_event(scope: Scope, problem: ProblemJson) -> bytes | None:
    """Return the event that ends a stream of a model; None on other paths."""
    format_ = format_of(scope)
    return None if format_ is None else event_of(of_problem(problem), format_)
