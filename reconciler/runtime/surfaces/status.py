"""Status and statistics of a tenant's resources in the operators' API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from reconciler.kinds.table import KINDS
from reconciler.model.kind import Kind
from reconciler.runtime.observing import decided_of, observed_of
from reconciler.runtime.source import InForce
from reconciler.runtime.status import ResourceStatus, Stats, stats_of, statuses_of
from reconciler.runtime.surfaces.answers import More
from reconciler.runtime.surfaces.errors import NOT_FOUND
from reconciler.runtime.surfaces.operator import OperatorsApi
from reconciler.runtime.surfaces.pages import Paged, page
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.requests import BadRequest
from reconciler.runtime.surfaces.routes import Route
from reconciler.runtime.threads import in_thread


class StatusQuery(Paged, frozen=True):
    """Which resources."""

    kind: Annotated[str, Meta(extra_json_schema={"enum": [*KINDS]})] | UnsetType = UNSET


class StatusPage(More):
    """A page of resources, sorted by their addresses."""

    status: list[ResourceStatus]


class StatsOfKinds(TypedDict):
    """Counts by kind."""

    kinds: dict[str, Stats]


def routes(top: str) -> Iterator[Route[OperatorsApi]]:
    """Yield the routes under ``top``, which names the tenant."""
    yield Route(
        "GET", f"{top}/status", "List the status of resources.", list_status, StatusPage, StatusQuery, "operate"
    )
    yield Route(
        "GET", f"{top}/stats", "Count resources by kind, type and state.", show_stats, StatsOfKinds, scope="operate"
    )
    for kind in KINDS.values():
        yield _showing(kind, top)


async def list_status(api: OperatorsApi, request: Request, asked: StatusQuery) -> dict[str, Any]:
    if asked.kind is not UNSET and asked.kind not in KINDS:
        raise BadRequest(400, "invalid-values", f"`kind`: expected one of {', '.join(KINDS)}.")
    found = [one for one in await _statuses(api, request) if asked.kind in (UNSET, one["kind"])]
    shown, more = page(asked, sorted(found, key=lambda one: one["address"]), lambda one: one["address"])
    return {"status": shown, **more}


async def show_stats(api: OperatorsApi, request: Request, _: None) -> StatsOfKinds:
    return {"kinds": stats_of(await _statuses(api, request))}


def _showing(kind: Kind, top: str) -> Route[OperatorsApi]:
    async def show_status(api: OperatorsApi, request: Request, _: None) -> ResourceStatus | Response:
        address = f"{request.path_params['tenant']}/{kind.name}/{request.path_params['name']}"
        found = next((one for one in await _statuses(api, request) if one["address"] == address), None)
        return found or problem(404, "not-found", f"There is no such {kind.name}.")

    path, summary = f"{top}/{kind.plural}/{{name}}/status", f"Get the status of one {kind.name}."
    return Route("GET", path, summary, show_status, ResourceStatus, scope="operate", errors=NOT_FOUND)


async def _statuses(api: OperatorsApi, request: Request) -> list[ResourceStatus]:
    """Return the status of every resource. Raises Stale, Refusal, ReconcilerError."""
    name, in_force = request.path_params["tenant"], api.source.current()
    limits = await api.mediator.limits(name)
    return await in_thread(_read, api, in_force, name, limits)


def _read(api: OperatorsApi, in_force: InForce, name: str, limits: Any) -> list[ResourceStatus]:
    observed = observed_of(api.databases.evidence, (name,), ((name, one) for one in limits))
    decided = decided_of(api.databases.control, in_force.status)
    tenant, generations = in_force.snapshot.tenant(name), in_force.snapshot.generations
    return [*statuses_of(tenant, generations, decided, observed, time.time())]
