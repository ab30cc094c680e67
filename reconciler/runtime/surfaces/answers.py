"""What the HTTP APIs answer: each is the JSON that a handler returns, and its schema in the OpenAPI documents."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from reconciler.model.access import Action
from reconciler.runtime.limits import LimitStatus

JsonSchema = Annotated[dict[str, Any], Meta(description="A JSON Schema.")]


class Problem(TypedDict):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: NotRequired[str]
    evidence_id: NotRequired[str]
    upstream_status: NotRequired[int]
    outcome: NotRequired[str]
    errors: NotRequired[list[ProblemError]]


class ProblemError(TypedDict):
    """One value that a request may not have."""

    parameter: str
    message: str


class More(TypedDict, total=False):
    """Where a list goes on; absent at its end."""

    next_cursor: str


class Tool(TypedDict):
    """A target as agents see it."""

    name: str
    description: str
    action: Action
    read_only: bool
    input_schema: JsonSchema


class Tools(More):
    """A page of tools."""

    tools: list[Tool]


class PlaneAction(TypedDict):
    """One action on a plane."""

    description: str
    read_only: bool
    input_schema: JsonSchema


class Plane(TypedDict):
    """A plane with the actions that its caller may take."""

    name: str
    description: str
    actions: dict[Action, PlaneAction]


class Planes(More):
    """A page of planes."""

    planes: list[Plane]


class Done(TypedDict):
    """The result of a call."""

    evidence_id: str
    result: Any
    rows: int | None
    cut: Annotated[bool, Meta(description="Whether the cap on rows cut the result.")]
    warnings: NotRequired[list[str]]


class PendingCall(TypedDict):
    """A call that waits for an approval."""

    status: Literal["approval-required"]
    approval_id: str
    expires_at: Annotated[str, Meta(description="Until when somebody has to decide (ISO 8601).")]
    retry_after: Annotated[int, Meta(description="Seconds to wait before asking again.")]
    next: str
    evidence_id: NotRequired[str]


class ApprovalEntry(TypedDict):
    """A call that waits, or waited, for an approval; without its values."""

    id: str
    state: Literal["pending", "approved", "denied", "used", "expired"]
    tenant: str
    caller: str
    subject: Annotated[str, Meta(description="`sub` of the token that proved the caller; empty for a key.")]
    target: str
    action: Action
    policy: str
    roles: Annotated[list[str], Meta(description="Whoever decides has one of them; empty: any operator.")]
    four_eyes: bool
    asked: str
    expires: str
    decided: str | None
    decided_by: str
    reason: str
    evidence_id: Annotated[str, Meta(description="The call that used it; empty for none.")]


class ApprovalsPage(More):
    """A page of them, the newest first."""

    approvals: list[ApprovalEntry]


class ApprovalWithValues(ApprovalEntry):
    """A call that waits, with its values while they are kept."""

    arguments: dict[str, Any] | None


class Limits(TypedDict):
    """Limits and their use."""

    limits: list[LimitStatus]


class EvidencePage(More):
    """A page of evidence, the newest first."""

    evidence: list[dict[str, Any]]


class Freezes(TypedDict):
    """The freezes of a tenant."""

    freezes: list[dict[str, str | None]]


class Frozen(TypedDict):
    """The state of a target after a request to freeze or unfreeze it."""

    target: str
    frozen: bool
    changed: bool


class Declared(TypedDict):
    """A declared resource, as it is in force."""

    name: str
    type: str | None
    project: Annotated[str | None, Meta(description="Its owner; null for a resource that was made by hand.")]
    generation: Annotated[int, Meta(description="The project's apply that is in force.")]
    drifted: Annotated[bool, Meta(description="Whether it differs from what was applied.")]
    suspended: bool
    frozen: bool


class DeclaredWithSpec(Declared):
    """A declared resource with its spec."""

    spec: dict[str, Any]
