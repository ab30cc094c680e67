"""Usage of models: a caller's own and what it reports, for agents; a tenant's, and what was billed too much, for operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType, field
from starlette.requests import Request
from starlette.responses import Response

from reconciler.access.judge import Caller
from reconciler.kinds.freezing import LONGEST_REASON, reason_of
from reconciler.model.address import is_name
from reconciler.runtime.ledger.narrowing import NotNarrowing, moment_of
from reconciler.runtime.ledger.overshoots import Overshoot, acknowledge, overshoots
from reconciler.runtime.ledger.usage_sums import Asked, By, UsageSum, usage_sums
from reconciler.runtime.mediator import Mediator, Refusal
from reconciler.runtime.reported import MOST_REPORTS, Report, Usages
from reconciler.runtime.surfaces.operator import OperatorsApi, actor_of
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.requests import BadRequest, unfit
from reconciler.runtime.surfaces.routes import Route
from reconciler.runtime.threads import in_thread

_MOMENT = Meta(description="A date or a moment (ISO 8601), e.g. 2026-11-30 or 2026-11-30T12:00Z.")


class UsageQuery(Struct, frozen=True):
    """Which usage: the last 30 days where nothing is said."""

    by: Annotated[By, Meta(description="What is summed up together.")] = "day"
    from_: Annotated[str, _MOMENT] | UnsetType = field(name="from", default=UNSET)
    to: Annotated[str, _MOMENT] | UnsetType = UNSET


class TenantUsageQuery(UsageQuery, frozen=True):
    """Which usage of a tenant."""

    caller: Annotated[str, Meta(description="Of this caller only.")] | UnsetType = UNSET


class Reports(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls that a caller made by itself."""

    usage: Annotated[list[Report], Meta(min_length=1, max_length=MOST_REPORTS)]


class UsageSums(TypedDict):
    """Usage, summed up."""

    usage: list[UsageSum]


class Reported(TypedDict):
    """How many reports are kept now; one that was known already is counted once."""

    received: int


class Overshoots(TypedDict):
    """Tries that were billed more than they had reserved, and that nobody has acknowledged; the newest 200."""

    overshoots: list[Overshoot]


class AcknowledgeBody(Struct, frozen=True):
    """An integration that may be used under limits again."""

    integration: Annotated[str, Meta(description="integration/NAME")]
    reason: Annotated[str, Meta(min_length=1, description=f"Cut to {LONGEST_REASON} characters.")]


class Acknowledged(TypedDict):
    """How many tries were acknowledged."""

    integration: str
    acknowledged: int


def _usages(mediator: Mediator) -> Usages:
    if mediator.usages is None:
        raise Refusal("unavailable", retry_after=1)
    return mediator.usages


async def own_usage(mediator: Mediator, request: Request, asked: UsageQuery) -> UsageSums:
    """Return what the caller used."""
    who: Caller = request.scope["who"]
    return {"usage": await _usages(mediator).own(who, asked.by, *_moments(asked))}


async def report_one(mediator: Mediator, request: Request, report: Report) -> Reported:
    """Keep one report."""
    return await _reported(mediator, request, [report])


async def report_many(mediator: Mediator, request: Request, reports: Reports) -> Reported:
    """Keep several reports."""
    return await _reported(mediator, request, reports.usage)


async def _reported(mediator: Mediator, request: Request, reports: list[Report]) -> Reported:
    who: Caller = request.scope["who"]
    await _usages(mediator).report(who, reports)
    return {"received": len(reports)}


async def tenant_usage(api: OperatorsApi, request: Request, asked: TenantUsageQuery) -> UsageSums:
    """Return what a tenant used."""
    since, until = _moments(asked)
    caller = None if asked.caller is UNSET else asked.caller
    wanted = Asked(asked.by, (request.path_params["tenant"],), since or 0.0, until, caller)
    return {"usage": await in_thread(usage_sums, api.databases.evidence, wanted)}


async def list_overshoots(api: OperatorsApi, request: Request, _: None) -> Overshoots:
    """Return what nobody has acknowledged."""
    return {"overshoots": await in_thread(overshoots, api.databases.evidence, (request.path_params["tenant"],))}


async def acknowledge_overshoots(api: OperatorsApi, request: Request, body: AcknowledgeBody) -> Acknowledged | Response:
    """Acknowledge what an integration was billed too much."""
    kind, _, name = body.integration.partition("/")
    reason = reason_of(body.reason)
    if kind != "integration" or not is_name(name):
        raise unfit("integration", "expected integration/NAME")
    if reason is None:
        raise unfit("reason", "expected a reason")
    tenant, by = request.path_params["tenant"], f"{actor_of(api, request).name}: {reason}"
    n = await in_thread(acknowledge, api.databases.store, tenant, body.integration, by)
    if not n:
        return problem(404, "not-found", "Nothing was billed too much there, or all of it is acknowledged.")
    return {"integration": body.integration, "acknowledged": n}


def _moments(asked: UsageQuery) -> tuple[float | None, float | None]:
    try:
        since = None if asked.from_ is UNSET else moment_of("from", asked.from_)
        return since, None if asked.to is UNSET else moment_of("to", asked.to)
    except NotNarrowing as error:
        raise BadRequest(400, "invalid-values", f"`{error.name}`: {error}.") from None


_REPORT = "/v1/telemetry/llm-usage"
AGENTS: tuple[Route[Mediator], ...] = (
    Route("GET", "/v1/usage", "Sum up the caller's own calls of models.", own_usage, UsageSums, UsageQuery),
    Route("POST", _REPORT, "Report a call that the caller made by itself.", report_one, Reported, Report),
    Route("POST", f"{_REPORT}/batch", "Report up to 100 of them.", report_many, Reported, Reports),
)


def routes(top: str) -> Iterator[Route[OperatorsApi]]:
    """Yield the routes for operators under ``top``, which names the tenant."""
    yield Route("GET", f"{top}/usage", "Sum up calls of models.", tenant_usage, UsageSums, TenantUsageQuery, "evidence")
    yield Route(
        "GET",
        f"{top}/overshoots",
        "List tries that were billed too much.",
        list_overshoots,
        Overshoots,
        scope="evidence",
    )
    path, summary = f"{top}/overshoots/acknowledge", "Let an integration be used under limits again."
    yield Route("POST", path, summary, acknowledge_overshoots, Acknowledged, AcknowledgeBody, "operate")
