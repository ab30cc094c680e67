"""Routes as tables: a line has method, path, summary, handler, answer, input, scope and errors.

Starlette's routes (``endpoints``) and the OpenAPI documents (``surfaces/openapi.py``) are made from the tables. A GET takes its
query, anything else takes a JSON body; both are msgspec Structs, read here and handed to the handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute

from reconciler.runtime.approvals import Pending
from reconciler.runtime.mediator import Refusal
from reconciler.runtime.surfaces.approved import pending_call
from reconciler.runtime.surfaces.errors import Errors
from reconciler.runtime.surfaces.problem import Json, ShownJson, of_refusal
from reconciler.runtime.surfaces.requests import BadRequest, body_of, query_of

Api = TypeVar("Api")
Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Api, Request, Any], Awaitable[Any]]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Nothing(Struct):
    """Neither a query nor a body."""


class Route(NamedTuple, Generic[Api]):
    """One method of one path. ``handler`` gets the API's parts, the request and what ``takes`` read from it.

    Its result has the type ``answer`` (``str`` is plain text), or is a Response that holds it. ``scope`` is what an operator's
    token needs. ``errors`` are the codes that its handler adds, by status, to those that every route has; no codes for
    a status whose codes are open. ``headers`` are its request headers, read by the handler.
    """

    method: Method
    path: str
    summary: str
    handler: Handler[Api]
    answer: Any
    takes: type[Struct] = Nothing
    scope: str | None = None
    errors: Errors = {}  # noqa: RUF012
    headers: type[Struct] | None = None
    accepted: Any = None
    """What it answers with 202, where it may."""


Around = Callable[[Route[Any], Endpoint], Endpoint]
"""A wrapper of each endpoint of an API, such as a check of scopes."""


def endpoint(route: Route[Api], api: Api, around: Around | None = None) -> Endpoint:
    """Return the function that answers requests for one route: refusals and bad requests as problem details."""
    handler, takes = route.handler, route.takes
    read = query_of if route.method == "GET" else body_of

    async def answer(request: Request) -> Response:
        taken = None if takes is Nothing else await read(takes, request)
        found = await handler(api, request, taken)
        if isinstance(found, Response):
            return found
        return PlainTextResponse(found) if isinstance(found, str) else ShownJson(found)

    return answering(answer if around is None else around(route, answer))


def answering(inner: Endpoint) -> Endpoint:
    """Return an endpoint that answers refusals and bad requests as problem details. Other errors pass through."""

    async def answer(request: Request) -> Response:
        try:
            return await inner(request)
        except Pending as pending:
            return Json(pending_call(pending), 202, {"Retry-After": str(pending.retry_after)})
        except Refusal as refusal:
            return of_refusal(refusal)
        except BadRequest as error:
            return error.answer

    return answer


def endpoints(
    routes: Iterable[Route[Api]],
    api: Api,
    around: Around | None = None,
    others: Mapping[str, Endpoint] | None = None,
) -> list[StarletteRoute]:
    """Return Starlette's routes: one a path, in the order of the table.

    ``others`` answer, by path, the methods that no route has; any other path answers them with 405.
    """
    found: dict[str, dict[str, Endpoint]] = {}
    for route in routes:
        methods = found.setdefault(route.path, {})
        methods[route.method] = endpoint(route, api, around)
        if route.method == "GET":
            methods["HEAD"] = methods["GET"]
    made = []
    for path, methods in found.items():
        made.append(StarletteRoute(path, _by_method(methods), methods=[*methods]))
    for path, other in (others or {}).items():
        made.append(StarletteRoute(path, other, methods=["POST", "PUT", "PATCH", "DELETE"]))
    return made


def _by_method(methods: Mapping[str, Endpoint]) -> Endpoint:
    async def answer(request: Request) -> Response:
        return await methods[request.method](request)

    return answer
