"""The agents' HTTP API: tools listed, told, called; planes by action; limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler import strict_json
from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.model.access import ACTIONS
from reconciler.model.address import is_name
from reconciler.model.target import Unfit
from reconciler.runtime.mediator import Done, Mediator, Refusal
from reconciler.runtime.surfaces.guard import BadRequest, json_object
from reconciler.runtime.surfaces.pages import BadCursor, page
from reconciler.runtime.surfaces.problem import Json, of_refusal, problem
from reconciler.runtime.surfaces.tools import tool_of

RUN = "x-run-id"
"""A header by which an agent says which of its runs a call belongs to; it is in evidence, and decides nothing."""


def routes(mediator: Mediator) -> list[Route]:
    async def list_tools(request: Request) -> Response:
        told = [tool_of(name, target) for name, target in mediator.tools(_who(request)).items()]
        return Json(page(request, told, "tools", lambda tool: str(tool["name"])))

    async def tell_tool(request: Request) -> Response:
        name = request.path_params["name"]
        target = mediator.tools(_who(request)).get(name)
        if target is None:
            raise Refusal("not-found")
        return Json(tool_of(name, target))

    async def call_tool(request: Request) -> Response:
        who = _who(request)
        arguments = await _arguments(request)
        target = mediator.target_of(who, request.path_params["name"])
        return _done(await mediator.access(who, Ask(target), arguments, _run(request), _key(request)))

    async def call_plane(request: Request) -> Response:
        name, action = request.path_params["name"], request.path_params["action"]
        arguments = await _arguments(request)
        ask = Ask(f"plane/{name if is_name(name) else '?'}", action if action in ACTIONS else "none")
        return _done(await mediator.access(_who(request), ask, arguments, _run(request), _key(request)))

    async def own_limits(request: Request) -> Response:
        who = _who(request)
        return Json({"limits": await mediator.limits(who.tenant, who.name)})

    return [
        # the first, since each is looked at in turn
        Route("/v1/tools/{name}/call", answering(call_tool), methods=["POST"]),
        Route("/v1/limits", answering(own_limits)),
        Route("/v1/tools", answering(list_tools)),
        Route("/v1/tools/{name}", answering(tell_tool)),
        Route("/v1/planes/{name}/{action}", answering(call_plane), methods=["POST"]),
    ]


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


def _run(request: Request) -> str:
    run = request.headers.get(RUN, "")
    if len(run) > 128 or not run.isprintable():
        raise BadRequest(400, "invalid-run", "X-Run-Id has at most 128 plain characters.")
    return run


def _key(request: Request) -> str:
    """A write that is sent again with the same key is not done again."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > 255 or not (key.isascii() and key.isprintable()):
        raise BadRequest(400, "invalid-key", "Idempotency-Key has at most 255 plain characters.")
    return key


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
    answer = done.answer
    result = strict_json.embedded(answer.json)
    told = {"evidence_id": done.evidence_id, "result": result, "rows": answer.rows, "cut": answer.cut}
    headers = {"Idempotency-Replayed": "true"} if done.replayed else None
    return Json({**told, **({"warnings": [*done.warned]} if done.warned else {})}, headers=headers)
