"""Calls that wait for an approval, for operators: listed, shown with their values, approved and denied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.kinds.freezing import LONGEST_REASON, reason_of
from reconciler.runtime.ledger import approvals
from reconciler.runtime.ledger.approvals import Waiting
from reconciler.runtime.ledger.decisions import Decider, Verdict, document, file_decisions, settle_request
from reconciler.runtime.ledger.reading import is_id
from reconciler.runtime.surfaces.answers import ApprovalEntry, ApprovalsPage, ApprovalWithValues
from reconciler.runtime.surfaces.errors import Errors
from reconciler.runtime.surfaces.operator import Operator, OperatorsApi
from reconciler.runtime.surfaces.pages import Paged, bad_cursor, cursor_of
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.requests import unfit
from reconciler.runtime.surfaces.routes import Route
from reconciler.runtime.threads import in_thread
from reconciler.store.filing import WAIT_SECONDS

State = Literal["pending", "approved", "denied", "used", "expired"]
_REFUSED: Mapping[Code, tuple[int, str]] = {
    "unknown-approval": (404, "There is no such request."),
    "not-a-decider": (403, "This operator may not decide it."),
    "approval-decided": (409, "It was decided, used or ended before."),
}


class ApprovalsQuery(Paged, frozen=True):
    """What requests to list."""

    state: Annotated[State, Meta(description="Only those in this state.")] | UnsetType = UNSET


class DecisionBody(Struct, frozen=True):
    """A decision."""

    reason: Annotated[str, Meta(min_length=1, description=f"Cut to {LONGEST_REASON} characters.")]


async def list_approvals(api: OperatorsApi, request: Request, asked: ApprovalsQuery) -> ApprovalsPage:
    if asked.after and not is_id(asked.after):
        raise bad_cursor()
    tenants, state = (request.path_params["tenant"],), None if isinstance(asked.state, UnsetType) else asked.state
    store = api.databases.store
    found = await in_thread(approvals.listed, store, tenants, asked.limit + 1, asked.after, state)
    shown: list[ApprovalEntry] = [_entry(one) for one in found[: asked.limit]]
    if len(found) > asked.limit:
        return {"approvals": shown, "next_cursor": cursor_of(shown[-1]["id"])}
    return {"approvals": shown}


async def show_approval(api: OperatorsApi, request: Request, _: None) -> ApprovalWithValues | Response:
    identity = request.path_params["id"]
    found = None
    if is_id(identity):
        found = await in_thread(approvals.get, api.databases.store, identity, (request.path_params["tenant"],))
    if found is None:
        return problem(404, "unknown-approval", "There is no such request.")
    arguments = None
    if found.request.sealed and api.mediator.approvals is not None:
        with suppress(ReconcilerError):  # a key that is not known here: the rest can be shown
            arguments = (await in_thread(api.mediator.approvals.opened, found)).arguments
    return {**_entry(found), "arguments": arguments}


def _entry(one: Waiting) -> ApprovalEntry:
    found: Any = document(one)
    entry: ApprovalEntry = found
    return entry


def _deciding(approved: bool) -> Callable[[OperatorsApi, Request, DecisionBody], Awaitable[ApprovalEntry | Response]]:
    async def decide_approval(api: OperatorsApi, request: Request, body: DecisionBody) -> ApprovalEntry | Response:
        reason, who = reason_of(body.reason), request.scope["who"]
        if reason is None:
            raise unfit("reason", "expected a reason")
        databases, path = api.databases, request.path_params
        told = (path["tenant"],), decider_of(who), Verdict(approved, reason), api.destinations
        try:
            found = await in_thread(settle_request, databases.store, path["id"], *told)
        except ReconcilerError as error:
            for code, (status, title) in _REFUSED.items():
                if error.problems[0].code == code:
                    return problem(status, code, title)
            raise
        with suppress(ReconcilerError):  # it is in force; a worker makes the entry later
            await in_thread(file_decisions, databases.store, databases.control, api.audit_key, WAIT_SECONDS)
        return _entry(found)

    return decide_approval


def decider_of(who: Operator) -> Decider:
    return Decider(f"operator:{who.name}", who.roles, who.issuer, who.subject)


_ERRORS: Errors = {status: (code,) for code, (status, _) in _REFUSED.items()}


def routes(top: str) -> list[Route[OperatorsApi]]:
    """Return the routes under ``top``, which names the tenant."""
    one = f"{top}/approvals/{{id}}"
    unknown: Errors = {404: ("unknown-approval",)}
    shared: Any = (ApprovalEntry, DecisionBody, "approve", _ERRORS)
    return [
        Route("GET", f"{top}/approvals", "List calls that wait, or waited, for an approval.", list_approvals, ApprovalsPage, ApprovalsQuery, "approve"),
        Route("GET", one, "Get one request with its values.", show_approval, ApprovalWithValues, scope="approve", errors=unknown),
        Route("POST", f"{one}/approve", "Approve a call.", _deciding(True), *shared),
        Route("POST", f"{one}/deny", "Deny a call.", _deciding(False), *shared),
    ]  # fmt: skip
