"""Tests in the operators' API: one check of an integration or a connector, made by this server now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response

from reconciler.kinds.table import KINDS
from reconciler.model.health import unasked
from reconciler.model.kind import Kind
from reconciler.runtime.surfaces.errors import NOT_FOUND
from reconciler.runtime.surfaces.operator import OperatorsApi
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.routes import Route


class Tested(TypedDict):
    """The result of a check."""

    address: str
    state: str
    latency_ms: int | None
    reason: str


def routes(top: str) -> Iterator[Route[OperatorsApi]]:
    """Yield a route for each kind that can be checked, under ``top``, which names the tenant."""
    yield _route(KINDS["integration"], top)
    yield _route(KINDS["connector"], top)


def _route(kind: Kind, top: str) -> Route[OperatorsApi]:
    async def test(api: OperatorsApi, request: Request, _: None) -> Tested | Response:
        tenant = api.source.current().snapshot.tenant(request.path_params["tenant"])
        resource = tenant.resource(f"{kind.name}/{request.path_params['name']}")
        if resource is None:
            return problem(404, "not-found", f"There is no such {kind.name}.")
        check = await api.check(tenant.name, resource) or unasked(resource.body)
        state, latency, reason = check
        return {"address": str(resource.known.address), "state": state, "latency_ms": latency, "reason": reason}

    path, summary = f"{top}/{kind.plural}/{{name}}/test", f"Check one {kind.name} now."
    return Route("POST", path, summary, test, Tested, scope="operate", errors=NOT_FOUND)
