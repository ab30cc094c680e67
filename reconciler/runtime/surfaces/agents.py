"""The agents' HTTP API: tools and planes, listed and called; limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.model.access import ACTIONS
from reconciler.model.address import is_name
from reconciler.runtime.gate import LONGEST_KEY, LONGEST_RUN, Labels
from reconciler.runtime.mediator import Done, Mediator, Refusal
from reconciler.runtime.surfaces import answers, usage
from reconciler.runtime.surfaces.answers import Limits, PendingCall, Plane, Planes, Tool, Tools
from reconciler.runtime.surfaces.errors import EVERY_CALL, NOT_FOUND
from reconciler.runtime.surfaces.incoming import header
from reconciler.runtime.surfaces.labels import KEY_HEADER, RUN_HEADER, BadLabel, labels
from reconciler.runtime.surfaces.llm_paths import shaped
from reconciler.runtime.surfaces.pages import Paged, page
from reconciler.runtime.surfaces.problem import Json, problem
from reconciler.runtime.surfaces.requests import BadRequest
from reconciler.runtime.surfaces.routes import Endpoint, Handler, Route, endpoint, endpoints
from reconciler.runtime.surfaces.tools import done_of, plane_of, tool_of


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call."""

    arguments: Annotated[dict[str, Any], Meta(description="The values, by parameter.")] = {}


class CallHeaders(Struct):
    """The request headers of a call, which ``labels`` reads."""

    run: Annotated[str, Meta(max_length=LONGEST_RUN, description="The run that the call belongs to.")] | UnsetType = (
        field(name="X-Run-Id", default=UNSET)
    )
    key: (
        Annotated[
            str,
            Meta(
                max_length=LONGEST_KEY,
                description="A write that is repeated with the same key within a day is not done again: its result is returned once "
                "more (Idempotency-Replayed: true), or 409 while it runs or if its outcome is unknown.",
            ),
        ]
        | UnsetType
    ) = field(name="Idempotency-Key", default=UNSET)


async def list_tools(mediator: Mediator, request: Request, asked: Paged) -> Tools:
    tools = [tool_of(name, target) for name, target in mediator.tools(_who(request)).items()]
    found, more = page(asked, tools, lambda tool: tool["name"])
    return {"tools": found, **more}


async def show_tool(mediator: Mediator, request: Request, _: None) -> Tool:
    name = request.path_params["name"]
    target = mediator.tools(_who(request)).get(name)
    if target is None:
        raise Refusal("not-found")
    return tool_of(name, target)


async def call_tool(mediator: Mediator, request: Request, call: Call) -> Response:
    who = _who(request)
    target = mediator.target_of(who, request.path_params["name"])
    return _done(await mediator.access(who, Ask(target), call.arguments, *_labels(request)))


async def call_approved(mediator: Mediator, request: Request, _: None) -> Response:
    return _done(await mediator.redeem(_who(request), request.path_params["id"], *_labels(request)))


async def list_planes(mediator: Mediator, request: Request, asked: Paged) -> Planes:
    planes = [plane_of(name, actions) for name, actions in mediator.planes(_who(request)).items()]
    found, more = page(asked, planes, lambda plane: plane["name"])
    return {"planes": found, **more}


async def show_plane(mediator: Mediator, request: Request, _: None) -> Plane:
    name = request.path_params["name"]
    actions = mediator.planes(_who(request)).get(name)
    if actions is None:
        raise Refusal("not-found")
    return plane_of(name, actions)


async def call_plane(mediator: Mediator, request: Request, call: Call) -> Response:
    name, action = request.path_params["name"], request.path_params["action"]
    ask = Ask(f"plane/{name if is_name(name) else '?'}", action if action in ACTIONS else "none")
    return _done(await mediator.access(_who(request), ask, call.arguments, *_labels(request)))


async def list_limits(mediator: Mediator, request: Request, _: None) -> Limits:
    who = _who(request)
    return {"limits": await mediator.limits(who.tenant, who.name)}


_TOOL, _PLANE = "/v1/tools/{name}", "/v1/planes/{name}"


def _call(path: str, summary: str, handler: Handler[Mediator]) -> Route[Mediator]:
    return Route(
        "POST", path, summary, handler, answers.Done, Call, errors=EVERY_CALL, headers=CallHeaders, accepted=PendingCall
    )


_CALL = _call(f"{_TOOL}/call", "Call a tool.", call_tool)
ROUTES: tuple[Route[Mediator], ...] = (
    _CALL,  # first, since each is tried in turn
    Route("GET", "/v1/limits", "List the limits of the caller and its tenant.", list_limits, Limits),
    Route("GET", "/v1/tools", "List the tools that the caller may call.", list_tools, Tools, Paged),
    Route("GET", _TOOL, "Get one tool.", show_tool, Tool, errors=NOT_FOUND),
    Route("GET", "/v1/planes", "List the planes on which the caller may act.", list_planes, Planes, Paged),
    Route("GET", _PLANE, "Get one plane.", show_plane, Plane, errors=NOT_FOUND),
    _call(f"{_PLANE}/{{action}}", "Act on a plane.", call_plane),
    Route(
        "POST",
        "/v1/approvals/{id}/call",
        "Run a call that was approved, with the values that were asked for.",
        call_approved,
        answers.Done,
        errors=EVERY_CALL,
        headers=CallHeaders,
        accepted=PendingCall,
    ),
    *usage.AGENTS,
)


def routes(mediator: Mediator) -> list[StarletteRoute]:
    """Return the routes for agents."""
    return endpoints(ROUTES, mediator)


def calling(mediator: Mediator) -> Endpoint:
    """Return the endpoint of a call, for ``HotPaths``."""
    return endpoint(_CALL, mediator)


async def _nothing_here(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        allowed = getattr(error, "headers", None)
        return shaped(request.scope, problem(405, "method-not-allowed", "This does not take that method.", allowed))
    return shaped(request.scope, problem(404, "not-found", "There is nothing here."))


async def _defect(request: Request, _error: Exception) -> Response:
    return shaped(request.scope, problem(500, "internal-error", "This is a defect of the server."))


HANDLERS: Mapping[Any, Any] = {404: _nothing_here, 405: _nothing_here, Exception: _defect}
"""What Starlette itself answers, in the same form as everything else."""


def _who(request: Request) -> Caller:
    who: Caller = request.scope["who"]
    return who


def _labels(request: Request) -> Labels:
    try:
        return labels(header(request.scope, RUN_HEADER.encode()), header(request.scope, KEY_HEADER.encode()))
    except BadLabel as error:
        raise BadRequest(400, error.code, error.message) from None


def _done(done: Done) -> Response:
    headers = {}
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    if done.answer.cut:
        headers["X-Cut"] = "true"
    return Json(done_of(done), headers=headers)
