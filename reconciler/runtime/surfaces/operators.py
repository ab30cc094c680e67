"""The operators' HTTP API: evidence, freezes, explanations, metrics. It declares nothing: specs are in git."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field, to_builtins
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute

from reconciler.access.judge import Question
from reconciler.access.judge import explain as judged
from reconciler.errors import ReconcilerError
from reconciler.kinds.freezing import LONGEST_REASON, is_freeze_target, reason_of, tenant_of
from reconciler.kinds.table import freezable
from reconciler.model.address import is_name
from reconciler.runtime.identity import utc_now
from reconciler.runtime.ledger import reading
from reconciler.runtime.ledger.narrowing import MOST_CHARACTERS, OUTCOMES, NotNarrowing, narrowed
from reconciler.runtime.source import Stale
from reconciler.runtime.surfaces import approvals, declared, pinning, status, suspending, testing, usage
from reconciler.runtime.surfaces.answers import EvidencePage, Freezes, Frozen, Limits
from reconciler.runtime.surfaces.errors import NOT_FOUND
from reconciler.runtime.surfaces.operator import OperatorsApi, actor_of
from reconciler.runtime.surfaces.pages import Paged, bad_cursor, cursor_of
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.requests import BadRequest, unfit
from reconciler.runtime.surfaces.routes import Endpoint, Route, endpoints
from reconciler.runtime.threads import in_thread
from reconciler.store.filing import file
from reconciler.store.status import NotFrozen, UnknownTarget, freeze, freezes, unfreeze

log = logging.getLogger("reconciler.runtime")
_TEXT = Meta(extra_json_schema={"minLength": 1, "maxLength": MOST_CHARACTERS})
_MOMENT = Meta(description="A date or a moment (ISO 8601), e.g. 2026-11-30 or 2026-11-30T12:00Z.")


class EvidenceQuery(Paged, frozen=True):
    """What evidence to list; ``narrowed`` judges the values."""

    caller: Annotated[str, _TEXT] | UnsetType = UNSET
    target: Annotated[str, _TEXT] | UnsetType = UNSET
    outcome: Annotated[str, Meta(extra_json_schema={"enum": [*OUTCOMES]})] | UnsetType = UNSET
    run: Annotated[str, _TEXT] | UnsetType = UNSET
    from_: Annotated[str, _MOMENT] | UnsetType = field(name="from", default=UNSET)
    to: Annotated[str, _MOMENT] | UnsetType = UNSET


class FreezeBody(Struct, frozen=True):
    """A target to freeze."""

    target: Annotated[str, Meta(description="tenant/TENANT or TENANT/KIND/NAME")]
    reason: Annotated[str, Meta(min_length=1, description=f"Cut to {LONGEST_REASON} characters.")]
    allow_unknown: Annotated[bool, Meta(description="Freeze a name ahead of time, before anything has it.")] = False


class UnfreezeBody(Struct, frozen=True):
    """A target to unfreeze."""

    target: Annotated[str, Meta(description="tenant/TENANT or TENANT/KIND/NAME")]
    reason: Annotated[str, Meta(min_length=1, description=f"Cut to {LONGEST_REASON} characters.")]


async def show_metrics(api: OperatorsApi, _request: Request, _: None) -> Response:
    return PlainTextResponse(api.metrics(), media_type="text/plain; version=0.0.4")


async def list_evidence(api: OperatorsApi, request: Request, asked: EvidenceQuery) -> EvidencePage:
    before = asked.after
    if before and not reading.is_id(before):
        raise bad_cursor()
    try:
        asks = narrowed(to_builtins(asked))
    except NotNarrowing as error:
        raise BadRequest(400, "invalid-values", f"`{error.name}`: {error}.") from None
    tenant, limit = request.path_params["tenant"], asked.limit
    found = await in_thread(reading.evidence, api.databases.evidence, (tenant,), limit + 1, before, None, asks)
    if len(found) > limit:
        return {"evidence": found[:limit], "next_cursor": cursor_of(found[limit - 1]["id"])}
    return {"evidence": found}


async def show_evidence(api: OperatorsApi, request: Request, _: None) -> dict[str, Any] | Response:
    tenant, identity = request.path_params["tenant"], request.path_params["id"]
    found = await in_thread(reading.one, api.databases.evidence, identity, (tenant,))
    return found or problem(404, "not-found", "There is no such evidence.")


async def list_limits(api: OperatorsApi, request: Request, _: None) -> Limits:
    return {"limits": await api.mediator.limits(request.path_params["tenant"])}


async def explain(api: OperatorsApi, request: Request, question: Question) -> dict[str, Any]:
    if not is_name(question.caller):
        raise unfit("caller", "expected a caller's name")
    in_force, tenant = api.source.current(), request.path_params["tenant"]
    return judged(in_force.snapshot.tenant(tenant), in_force.status, question, utc_now(), api.mediator.has_key).facts()


async def list_freezes(api: OperatorsApi, request: Request, _: None) -> Freezes:
    tenant = request.path_params["tenant"]
    found = await in_thread(freezes, api.databases.control)
    return {"freezes": [one.document() for one in found if tenant_of(one.freeze.target) == tenant]}


async def start_freeze(api: OperatorsApi, request: Request, body: FreezeBody) -> Frozen | Response:
    reason, actor = _judged(body, request), actor_of(api, request)
    try:
        changed = await in_thread(freeze, api.databases.control, body.target, reason, actor, body.allow_unknown)
    except UnknownTarget as error:
        return problem(404, error.code, f"{error}: {error.problems[0].hint}")
    await in_thread(file, api.databases.control, actor)
    return {"target": body.target, "frozen": True, "changed": changed}


async def end_freeze(api: OperatorsApi, request: Request, body: UnfreezeBody) -> Frozen | Response:
    reason, actor = _judged(body, request), actor_of(api, request)
    try:
        await in_thread(unfreeze, api.databases.control, body.target, reason, actor)
    except (UnknownTarget, NotFrozen) as error:
        return problem(404, error.code, f"{error}: {error.problems[0].hint}")
    return {"target": body.target, "frozen": False, "changed": True}


def _judged(body: FreezeBody | UnfreezeBody, request: Request) -> str:
    """Return the reason of a request whose target is one of the tenant's. Raises BadRequest."""
    tenant, reason = request.path_params["tenant"], reason_of(body.reason)
    if not is_freeze_target(body.target) or tenant_of(body.target) != tenant:
        raise unfit("target", f"expected tenant/{tenant} or {tenant}/KIND/NAME ({', '.join(freezable())})")
    if reason is None:
        raise unfit("reason", "expected a reason")
    return reason


_TOP = "/v1/tenants/{tenant}"
_FREEZES = f"{_TOP}/freezes"
ROUTES: tuple[Route[OperatorsApi], ...] = (
    Route("GET", "/metrics", "Get counts and durations of all tenants.", show_metrics, str, scope="metrics"),
    Route("GET", f"{_TOP}/evidence", "List evidence, the newest first.", list_evidence, EvidencePage, EvidenceQuery, "evidence"),
    Route("GET", f"{_TOP}/evidence/{{id}}", "Get one piece of evidence.", show_evidence, dict[str, Any], scope="evidence", errors=NOT_FOUND),
    Route("GET", f"{_TOP}/limits", "List limits and what is used of them.", list_limits, Limits, scope="evidence"),
    Route("POST", f"{_TOP}/access/explain", "Explain what would happen to a call.", explain, dict[str, Any], Question, "operate"),
    Route("GET", _FREEZES, "List freezes.", list_freezes, Freezes, scope="operate"),
    Route("POST", _FREEZES, "Freeze a target.", start_freeze, Frozen, FreezeBody, "operate", {404: ("unknown-target",)}),
    Route("DELETE", _FREEZES, "Unfreeze a target.", end_freeze, Frozen, UnfreezeBody, "operate", {404: ("not-frozen", "unknown-target")}),
    *declared.routes(_TOP),
    *suspending.routes(_TOP),
    *pinning.routes(_TOP),
    *status.routes(_TOP),
    *approvals.routes(_TOP),
    *testing.routes(_TOP),
    *usage.routes(_TOP),
)  # fmt: skip


def routes(api: OperatorsApi) -> list[StarletteRoute]:
    """Return the routes for operators."""
    in_git = {path: _in_scope("operate", declared.in_git) for path in declared.paths(_TOP)}
    return endpoints(ROUTES, api, lambda route, inner: _in_scope(route.scope, inner), in_git)


def _in_scope(scope: str | None, inner: Endpoint) -> Endpoint:
    """Return an endpoint for those whose token has a scope, for the tenant in the path or for all tenants."""

    async def allowed(request: Request) -> Response:
        tenant = request.path_params.get("tenant")
        if tenant is not None and not is_name(tenant):
            return problem(404, "not-found", "There is no such tenant.")
        if scope is None or not request.scope["who"].may(scope, tenant):
            lacks = (
                f" It has no scope `{scope}` for {tenant or 'all tenants'}; serve.yaml gives scopes." if scope else ""
            )
            return problem(403, "forbidden", f"This token is not for that.{lacks}")
        try:
            return await inner(request)
        except (ReconcilerError, Stale) as error:
            # the message of a database is for the log
            log.error("an operator was not answered: %s", error)
            return problem(503, "unavailable", "It can't be read or written at the moment.", {"Retry-After": "5"})

    return allowed
