"""Suspending and resuming in the operators' API: two routes for each kind that has a status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypedDict

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from reconciler.kinds.freezing import LONGEST_REASON, reason_of
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address, is_name
from reconciler.model.kind import Ability, Kind
from reconciler.runtime.surfaces.errors import Errors
from reconciler.runtime.surfaces.operator import OperatorsApi, actor_of
from reconciler.runtime.surfaces.problem import problem
from reconciler.runtime.surfaces.requests import unfit
from reconciler.runtime.surfaces.routes import Route
from reconciler.runtime.threads import in_thread
from reconciler.store.status import UnknownTarget
from reconciler.store.suspensions import NotSuspended, resume, suspend


class ReasonBody(Struct, frozen=True):
    """Why something is decided."""

    reason: Annotated[str, Meta(min_length=1, description=f"Cut to {LONGEST_REASON} characters.")]


class Suspended(TypedDict):
    """The state of a resource after a request to suspend or resume it."""

    address: str
    suspended: bool
    changed: bool


def routes(top: str) -> Iterator[Route[OperatorsApi]]:
    """Yield `suspend` and `resume` of one resource under ``top``, which names the tenant."""
    for kind in KINDS.values():
        if kind.can(Ability.SUSPENDABLE):
            path = f"{top}/{kind.plural}/{{name}}"
            yield _route(kind, f"{path}/suspend", suspends=True)
            yield _route(kind, f"{path}/resume", suspends=False)


def _route(kind: Kind, path: str, suspends: bool) -> Route[OperatorsApi]:
    async def decide(api: OperatorsApi, request: Request, body: ReasonBody) -> Suspended | Response:
        name, reason = request.path_params["name"], reason_of(body.reason)
        if reason is None:
            raise unfit("reason", "expected a reason")
        if not is_name(name):
            return problem(404, "unknown-target", f"There is no such {kind.name}.")
        address = Address(request.path_params["tenant"], kind.name, name)
        work = suspend if suspends else resume
        try:
            changed = await in_thread(work, api.databases.control, address, reason, actor_of(api, request))
        except (UnknownTarget, NotSuspended) as error:
            return problem(404, error.code, f"{error}: {error.problems[0].hint}")
        return {"address": str(address), "suspended": suspends, "changed": changed is not False}

    word = "Suspend" if suspends else "Resume"
    errors: Errors = {404: ("unknown-target",) if suspends else ("not-suspended", "unknown-target")}
    return Route("POST", path, f"{word} one {kind.name}.", decide, Suspended, ReasonBody, "operate", errors)
