"""What is declared in git, told to operators as it is in force; it is changed there, and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.access.resource import Resource
from reconciler.kinds.table import KINDS
from reconciler.model.kind import Ability
from reconciler.runtime.source import InForce, Source
from reconciler.runtime.surfaces.pages import page
from reconciler.runtime.surfaces.problem import ShownJson, problem

Handler = Callable[[Request], Awaitable[Response]]


def routes(source: Source, top: str, of: Callable[[str, Handler], Handler]) -> list[Route]:
    """Under ``top``, which names the tenant; ``of`` lets a handler be asked by who has a scope there.

    Kinds that are not listed here have a route of their own for it: ``limits`` is how they are used.
    """

    def telling(kind: str, plural: str) -> tuple[Handler, Handler]:
        async def list_all(request: Request) -> Response:
            in_force = source.current()
            tenant = in_force.snapshot.tenant(request.path_params["tenant"])
            found = [tenant.resource(name) for name in tenant.names(kind)]
            told = [_told(in_force, one) for one in found if one is not None]
            return ShownJson(page(request, told, plural, lambda one: str(one["name"])))

        async def tell_one(request: Request) -> Response:
            in_force = source.current()
            tenant = in_force.snapshot.tenant(request.path_params["tenant"])
            one = tenant.resource(f"{kind}/{request.path_params['name']}")
            if one is None or one.known.live is None:
                return problem(404, "not-found", f"There is no such {kind}.")
            return ShownJson({**_told(in_force, one), "spec": one.body})

        return list_all, tell_one

    found = []
    for name, kind in KINDS.items():
        plural = kind.plural
        list_all, tell_one = telling(name, plural)
        if kind.can(Ability.LISTED):
            found.append(Route(f"{top}/{plural}", of("operate", list_all), methods=["GET"]))
        found.append(Route(f"{top}/{plural}/{{name}}", of("operate", tell_one), methods=["GET"]))
        paths = (f"{top}/{plural}", f"{top}/{plural}/{{name}}")
        found += [Route(path, of("operate", _in_git), methods=["POST", "PUT", "PATCH", "DELETE"]) for path in paths]
    return found


async def _in_git(_request: Request) -> Response:
    return problem(405, "declared-in-git", "This is declared in git: change it there, and apply.", {"Allow": "GET"})


def _told(in_force: InForce, one: Resource) -> dict[str, Any]:
    known = one.known
    return {
        "name": known.address.name,
        "type": one.body.get("type"),
        "project": known.project,
        "generation": in_force.snapshot.generations.get(known.project or "", 0),
        "drifted": not known.settled,
        "suspended": known.suspended,
        "frozen": in_force.status.freeze_over(known.address, known.uid) is not None,
    }
