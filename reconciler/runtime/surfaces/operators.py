"""The operators' HTTP API: evidence, freezes, explanations; nothing here declares anything, since that is in git."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from msgspec import ValidationError, convert
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.access.judge import Question
from reconciler.access.judge import explain as judged
from reconciler.errors import ReconcilerError
from reconciler.kinds.freezing import is_freeze_target, reason_of, tenant_of
from reconciler.kinds.table import freezable
from reconciler.load.serve_file import Operators, OperatorToken
from reconciler.model.address import is_name
from reconciler.model.audit import AuditKey
from reconciler.runtime.identity import utc_now
from reconciler.runtime.ledger import reading
from reconciler.runtime.ledger.narrowing import NotNarrowing, narrowed
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.setup import Databases
from reconciler.runtime.source import Source, Stale
from reconciler.runtime.surfaces import declared
from reconciler.runtime.surfaces.agents import answering
from reconciler.runtime.surfaces.guard import json_object
from reconciler.runtime.surfaces.pages import BadCursor, asked, cursor_of
from reconciler.runtime.surfaces.problem import ShownJson, problem
from reconciler.runtime.threads import in_thread
from reconciler.store.filing import file
from reconciler.store.secrets import Actor
from reconciler.store.status import NotFrozen, UnknownTarget, freeze, freezes, unfreeze

log = logging.getLogger("reconciler.runtime")
Handler = Callable[[Request], Awaitable[Response]]


class Operator(NamedTuple):
    """Who asks, and what for; ``tenants`` are all where none is named."""

    name: str
    token: OperatorToken

    def may(self, scope: str, tenant: str | None) -> bool:
        for_tenant = not self.token.tenants or (tenant is not None and tenant in self.token.tenants)
        return scope in self.token.scopes and for_tenant


class OperatorEntrance:
    """Proves operators by the tokens of serve.yaml; nobody can freeze one."""

    def __init__(self, settings: Operators) -> None:
        self._tokens = settings.tokens

    async def prove(self, authorization: str) -> Operator | None:
        scheme, _, token = authorization.partition(" ")
        given = sha256(token.strip().encode()).hexdigest()
        found = None
        for name, one in self._tokens.items():
            if compare_digest(given, one.sha256) and scheme.lower() == "bearer":
                found = Operator(name, one)
        return found

    def is_frozen(self, who: Operator) -> bool:
        return False

    def challenge(self, path: str, host: str, has_credential: bool) -> str:
        return "Bearer"

    def surface(self, path: str) -> str:
        return "operators"

    def tenant(self, who: Operator) -> str:
        return ""


def routes(
    source: Source, mediator: Mediator, databases: Databases, audit_key: AuditKey, metrics: Callable[[], str]
) -> list[Route]:
    async def list_evidence(request: Request) -> Response:
        tenant = request.path_params["tenant"]
        limit, before = asked(request)
        if before and not reading.is_id(before):
            raise BadCursor
        try:
            asks = narrowed(request.query_params)
        except NotNarrowing as error:
            return problem(400, "invalid-values", f"`{error.name}`: {error}.")
        found = await in_thread(reading.evidence, databases.evidence, (tenant,), limit + 1, before, None, asks)
        more = {"next_cursor": cursor_of(found[limit - 1]["id"])} if len(found) > limit else {}
        return ShownJson({"evidence": found[:limit], **more})

    async def tell_evidence(request: Request) -> Response:
        tenant, identity = request.path_params["tenant"], request.path_params["id"]
        found = await in_thread(reading.one, databases.evidence, identity, (tenant,))
        return ShownJson(found) if found else problem(404, "not-found", "There is no such evidence.")

    async def explain(request: Request) -> Response:
        body = await json_object(request)
        try:
            question = convert(body, Question)
        except ValidationError as error:
            return problem(422, "invalid-values", f"Give `caller` and `target`, and a plane's `action`: {error}.")
        if not is_name(question.caller):
            return problem(422, "invalid-values", "`caller` is a caller's name.")
        in_force, tenant = source.current(), request.path_params["tenant"]
        return ShownJson(judged(in_force.snapshot.tenant(tenant), in_force.status, question, utc_now()).facts())

    async def list_freezes(request: Request) -> Response:
        if request.method != "GET":
            return await change_freeze(request)
        tenant = request.path_params["tenant"]
        found = await in_thread(freezes, databases.control)
        return ShownJson({"freezes": [one.document() for one in found if tenant_of(one.freeze.target) == tenant]})

    async def change_freeze(request: Request) -> Response:
        body = await json_object(request)
        target, reason, ahead = body.get("target"), reason_of(body.get("reason")), body.get("allow_unknown", False)
        tenant = request.path_params["tenant"]
        if (
            not isinstance(target, str)
            or not is_freeze_target(target)
            or tenant_of(target) != tenant
            or reason is None
            or not isinstance(ahead, bool)
        ):
            kinds = ", ".join(freezable())
            return problem(
                422,
                "invalid-values",
                f"Give a `reason`, and as `target` tenant/{tenant} or {tenant}/KIND/NAME ({kinds}).",
            )
        operator: Operator = request.scope["who"]
        actor = Actor(f"operator:{operator.name}", audit_key)
        changed = True
        try:
            if request.method == "POST":
                changed = await in_thread(freeze, databases.control, target, reason, actor, ahead)
                await in_thread(file, databases.control, actor)
            else:
                await in_thread(unfreeze, databases.control, target, reason, actor)
        except (UnknownTarget, NotFrozen) as error:
            return problem(404, error.code, f"{error}: {error.problems[0].hint}")
        return ShownJson({"target": target, "frozen": request.method == "POST", "changed": changed})

    async def counted(request: Request) -> Response:
        return ShownJson({"limits": await mediator.limits(request.path_params["tenant"])})

    async def told(request: Request) -> Response:
        if not request.scope["who"].may("metrics", None):
            return _forbidden()
        return PlainTextResponse(metrics(), media_type="text/plain; version=0.0.4")

    def of(scope: str, handler: Handler) -> Handler:
        async def allowed(request: Request) -> Response:
            tenant = request.path_params["tenant"]
            if not is_name(tenant):
                return problem(404, "not-found", "There is no such tenant.")
            if not request.scope["who"].may(scope, tenant):
                return _forbidden()
            try:
                return await handler(request)
            except (ReconcilerError, Stale) as error:
                # of a database: what it says is for the log
                log.error("an operator was not answered: %s", error)
                return problem(503, "unavailable", "It can't be read or written at the moment.", {"Retry-After": "5"})

        return answering(allowed)

    top = "/v1/tenants/{tenant}"
    return [
        Route("/metrics", answering(told)),
        Route(f"{top}/evidence", of("evidence", list_evidence)),
        Route(f"{top}/evidence/{{id}}", of("evidence", tell_evidence)),
        Route(f"{top}/limits", of("evidence", counted)),
        Route(f"{top}/access/explain", of("operate", explain), methods=["POST"]),
        Route(f"{top}/freezes", of("operate", list_freezes), methods=["GET", "POST", "DELETE"]),
        *declared.routes(source, top, of),
    ]


def _forbidden() -> Response:
    return problem(403, "forbidden", "This token is not for that.")
