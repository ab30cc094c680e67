"""The agents' HTTP API: tools listed, told, called; planes by action; limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.model.access import ACTIONS
from reconciler.model.address import is_name
from reconciler.model.target import Unfit
from reconciler.runtime.mediator import Done, Mediator, Refusal
from reconciler.runtime.surfaces.guard import BadRequest, json_object
from reconciler.runtime.surfaces.hot import Handler
from reconciler.runtime.surfaces.labels import KEY_HEADER, RUN_HEADER, BadLabel, Labels, labels
from reconciler.runtime.surfaces.pages import BadCursor, page
from reconciler.runtime.surfaces.problem import Json, ShownJson, of_refusal, problem
from reconciler.runtime.surfaces.tools import done_of, plane_of, tool_of


def routes(mediator: Mediator) -> list[Route]:
    async def list_tools(request: Request) -> Response:
        told = [tool_of(name, target) for name, target in mediator.tools(_who(request)).items()]
        return ShownJson(page(request, told, "tools", lambda tool: str(tool["name"])))

    async def tell_tool(request: Request) -> Response:
        name = request.path_params["name"]
        target = mediator.tools(_who(request)).get(name)
        if target is None:
            raise Refusal("not-found")
        return ShownJson(tool_of(name, target))

    async def list_planes(request: Request) -> Response:
        told = [plane_of(name, actions) for name, actions in mediator.planes(_who(request)).items()]
        return ShownJson(page(request, told, "planes", lambda plane: str(plane["name"])))

    async def tell_plane(request: Request) -> Response:
        name = request.path_params["name"]
        actions = mediator.planes(_who(request)).get(name)
        if actions is None:
            raise Refusal("not-found")
        return ShownJson(plane_of(name, actions))

    async def call_plane(request: Request) -> Response:
        name, action = request.path_params["name"], request.path_params["action"]
        arguments = await _arguments(request)
        ask = Ask(f"plane/{name if is_name(name) else '?'}", action if action in ACTIONS else "none")
        return _done(await mediator.access(_who(request), ask, arguments, *_labels(request)))

    async def own_limits(request: Request) -> Response:
        who = _who(request)
        return Json({"limits": await mediator.limits(who.tenant, who.name)})

    return [
        # the first, since each is looked at in turn
        Route("/v1/tools/{name}/call", calling(mediator), methods=["POST"]),
        Route("/v1/limits", answering(own_limits)),
        Route("/v1/tools", answering(list_tools)),
        Route("/v1/tools/{name}", answering(tell_tool)),
        Route("/v1/planes", answering(list_planes)),
        Route("/v1/planes/{name}", answering(tell_plane)),
        Route("/v1/planes/{name}/{action}", answering(call_plane), methods=["POST"]),
    ]


def calling(mediator: Mediator) -> Handler:
    """Return the handler of a call."""

    async def call_tool(request: Request) -> Response:
        who = _who(request)
        arguments = await _arguments(request)
        target = mediator.target_of(who, request.path_params["name"])
        return _done(await mediator.access(who, Ask(target), arguments, *_labels(request)))

    return answering(call_tool)


def answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Refusals and bad requests as problem details; nothing of an unforeseen error goes out."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return of_refusal(refusal)
        except BadRequest as error:
            return error.answer
        except BadCursor:
            return problem(400, "invalid-page", "`limit` is from 1 to 200, and `cursor` what an earlier page said.")

    return answer


async def _nothing_here(_request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        allowed = getattr(error, "headers", None)
        return problem(405, "method-not-allowed", "This does not take that method.", allowed)
    return problem(404, "not-found", "There is nothing here.")


async def _defect(_request: Request, _error: Exception) -> Response:
    return problem(500, "internal-error", "This is a defect of the server.")


HANDLERS: Mapping[Any, Any] = {404: _nothing_here, 405: _nothing_here, Exception: _defect}
"""What Starlette itself answers, in the same form as everything else."""


def _who(request: Request) -> Caller:
    who: Caller = request.scope["who"]
    return who


def _labels(request: Request) -> Labels:
    try:
        return labels(request.headers.get(RUN_HEADER), request.headers.get(KEY_HEADER))
    except BadLabel as error:
        raise BadRequest(400, error.code, error.message) from None


async def _arguments(request: Request) -> dict[str, Any]:
    body = await json_object(request)
    arguments = body.get("arguments", {})
    more = sorted({*body} - {"arguments"})
    if more or not isinstance(arguments, dict):
        raise Refusal(
            "invalid-values", unfit=(Unfit("arguments", "expected a JSON object with `arguments`, an object"),)
        )
    return arguments


def _done(done: Done) -> Response:
    headers = {}
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    if done.answer.cut:
        headers["X-Cut"] = "true"
    return Json(done_of(done), headers=headers)
