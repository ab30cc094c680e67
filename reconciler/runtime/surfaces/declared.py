"""Declared resources as they are in force, for operators. Specs change in git: every other method is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, UnsetType, defstruct
from starlette.requests import Request
from starlette.responses import Response

from reconciler.access.resource import Resource
from reconciler.kinds.table import KINDS
from reconciler.model.kind import Ability, Kind
from reconciler.runtime.source import InForce
from reconciler.runtime.surfaces.answers import Declared, DeclaredWithSpec
from reconciler.runtime.surfaces.errors import NOT_FOUND
from reconciler.runtime.surfaces.operator import OperatorsApi
from reconciler.runtime.surfaces.pages import Paged, page
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.routes import Route


def routes(top: str) -> Iterator[Route[OperatorsApi]]:
    """Yield two routes a kind under ``top``, which names the tenant.

    A kind that is not listed has one of its own: ``limits`` is how they are used.
    """
    for kind in KINDS.values():
        if kind.can(Ability.LISTED):
            yield _listing(kind, top)
        yield _showing(kind, top)


def paths(top: str) -> list[str]:
    """Return the paths of all kinds, at which nothing but GET is answered."""
    return [path for kind in KINDS.values() for path in (f"{top}/{kind.plural}", f"{top}/{kind.plural}/{{name}}")]


async def in_git(_request: Request) -> Response:
    """Refuse to write what is declared in git."""
    return problem(405, "declared-in-git", "This is declared in git: change it there, and apply.", {"Allow": "GET"})


def _listing(kind: Kind, top: str) -> Route[OperatorsApi]:
    async def list_all(api: OperatorsApi, request: Request, asked: Paged) -> dict[str, Any]:
        in_force = api.source.current()
        tenant = in_force.snapshot.tenant(request.path_params["tenant"])
        resources = [tenant.resource(name) for name in tenant.names(kind.name)]
        shown = [_declared(in_force, one) for one in resources if one is not None]
        found, more = page(asked, shown, lambda one: one["name"])
        return {kind.plural: found, **more}

    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (kind.plural, list[Declared]),
        ("next_cursor", str | UnsetType, UNSET),
    ]
    answer = defstruct(f"{kind.plural.title()}Page", fields)
    summary = f"List resources of the kind {kind.name}."
    return Route("GET", f"{top}/{kind.plural}", summary, list_all, answer, Paged, "operate")


def _showing(kind: Kind, top: str) -> Route[OperatorsApi]:
    async def show_one(api: OperatorsApi, request: Request, _: None) -> DeclaredWithSpec | Response:
        in_force = api.source.current()
        tenant = in_force.snapshot.tenant(request.path_params["tenant"])
        one = tenant.resource(f"{kind.name}/{request.path_params['name']}")
        if one is None or one.known.live is None:
            return problem(404, "not-found", f"There is no such {kind.name}.")
        return {**_declared(in_force, one), "spec": one.body}

    path, summary = f"{top}/{kind.plural}/{{name}}", f"Get one {kind.name} with its spec."
    return Route("GET", path, summary, show_one, DeclaredWithSpec, scope="operate", errors=NOT_FOUND)


def _declared(in_force: InForce, one: Resource) -> Declared:
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
