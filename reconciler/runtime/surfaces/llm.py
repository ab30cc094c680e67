"""The formats of OpenAI and Anthropic for agents: requests handed to the mediator, answers passed on as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from reconciler import strict_json
from reconciler.kinds.provider.wire import Format
from reconciler.runtime.llm.calls import ModelCalls
from reconciler.runtime.llm.errors import APPROVAL_HEADER, WireError, event_of, of_wrong
from reconciler.runtime.llm.headers import sent
from reconciler.runtime.llm.reading import Refused, request_of
from reconciler.runtime.llm.request import Endpoint, ModelRequest
from reconciler.runtime.llm.running import Whole
from reconciler.runtime.llm.streams import Broken, Streaming
from reconciler.runtime.results import Refusal
from reconciler.runtime.surfaces.incoming import header, received
from reconciler.runtime.surfaces.labels import RUN_HEADER, BadLabel, labels
from reconciler.runtime.surfaces.llm_models import model_entry, model_list
from reconciler.runtime.surfaces.llm_paths import (
    BY_PATH,
    MODELS,
    SERVED,
    UNSERVED,
    WireResponse,
    format_of,
    of_problem,
    of_refusal,
)
from reconciler.runtime.surfaces.problem import REFUSED
from reconciler.runtime.surfaces.requests import BadRequest
from reconciler.runtime.threads import aside


class ModelsOverHttp:
    """An ASGI application for the endpoints of one format each; the caller is proved before."""

    def __init__(self, calls: ModelCalls) -> None:
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = BY_PATH[scope["path"]]
        if scope["method"] != "POST":
            error = WireError("method-not-allowed", f"POST to {endpoint.path}", 405)
            await WireResponse(error, endpoint.format, {"allow": "POST"})(scope, receive, send)
            return
        try:
            # named nowhere here: an open stream would keep a request that its call has dropped
            await self._answered([await _request(endpoint, scope, receive)], scope, receive, send)
        except Refused as refused:
            await WireResponse(of_wrong(refused.wrong), endpoint.format)(scope, receive, send)
        except Refusal as refusal:
            await WireResponse(of_refusal(refusal), endpoint.format)(scope, receive, send)

    async def _answered(self, taken: list[ModelRequest], scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer of a call, which ends when the agent goes away. Raises Refusal, ClientDisconnect.

        ``taken`` holds the request, and nothing once it is handed on.
        """
        format_, run = taken[0].endpoint.format, _run(scope)
        task = asyncio.current_task()
        assert task is not None
        left = _Left(task, receive)
        try:
            approval = header(scope, APPROVAL_HEADER.encode()) or ""
            answered = await self._calls.call(scope["who"], taken.pop(), run, approval)
            if isinstance(answered, Whole):
                await _send_whole(answered, format_, send)
            else:
                await _send_stream(answered, format_, scope, send)
        except asyncio.CancelledError:
            if not left.is_so:
                raise
            task.uncancel()
            raise ClientDisconnect from None
        finally:
            left.end()


class _Left:
    """Watches for an agent that goes away, and cancels its call then."""

    def __init__(self, task: asyncio.Task[Any], receive: Receive) -> None:
        self.is_so = False
        self._task = task
        self._watch = asyncio.create_task(self._wait(receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_so = True
        self._task.cancel()

    def end(self) -> None:
        self._watch.cancel()


async def _request(endpoint: Endpoint, scope: Scope, receive: Receive) -> ModelRequest:
    raw = await received(receive)
    return await aside(len(raw), request_of, endpoint, raw, sent(endpoint.format, scope["headers"]), _run(scope))


def _run(scope: Scope) -> str:
    """Return the run that the agent names. Raises Refusal."""
    try:
        return labels(header(scope, RUN_HEADER.encode()), None).run
    except BadLabel as error:
        raise Refusal(error.code) from None


def _head(status: int, headers: Mapping[str, str], evidence_id: str, format_: Format) -> Message:
    named = {"request-id" if format_ == "anthropic" else "x-request-id": evidence_id, **headers}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}


async def _send_whole(answer: Whole, format_: Format, send: Send) -> None:
    headers = {"content-type": "application/json", **answer.headers, "content-length": str(len(answer.body))}
    await send(_head(answer.status, headers, answer.evidence_id, format_))
    await send({"type": "http.response.body", "body": answer.body})


async def _send_stream(answer: Streaming, format_: Format, scope: Scope, send: Send) -> None:
    """Send a stream. One that fails ends without its end, so that no agent takes it for whole."""
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    try:
        await send(_head(200, headers, answer.evidence_id, format_))
        async with contextlib.aclosing(answer.pieces()) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except Broken as broken:
        scope[REFUSED] = broken.code
        return
    except Refusal as refusal:
        scope[REFUSED] = refusal.code
        body = event_of(of_refusal(refusal), format_)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        return
    finally:
        await answer.abandon()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def routes(calls: ModelCalls) -> list[Route]:
    """Return the routes of lists of models, and of what is not served."""

    async def listed(request: Request) -> Response:
        format_ = format_of(request.scope) or "openai"
        try:
            models = calls.models(request.scope["who"])
        except Refusal as refusal:
            return WireResponse(of_refusal(refusal), format_)
        wanted = request.path_params.get("id")
        body: Mapping[str, Any]
        if wanted is None:
            try:
                body = model_list(models, format_, request.query_params)
            except BadRequest as error:
                return WireResponse(of_problem(error.answer), format_)
        elif wanted in models:
            body = model_entry(wanted, models[wanted], format_)
        else:
            return WireResponse(of_refusal(Refusal("not-found")), format_)
        return Response(strict_json.write(body), media_type="application/json")

    async def unserved(request: Request) -> Response:
        message = f"{request.url.path} is not served here; these are: {SERVED}"
        error = WireError("endpoint-not-supported", message, 404)
        return WireResponse(error, format_of(request.scope) or "openai")

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    found = [Route(MODELS, listed), Route(f"{MODELS}/{{id:path}}", listed)]
    for prefix in UNSERVED:
        slash = "" if prefix.endswith("/") else "/"
        found += [Route(f"{prefix}{slash}{{rest:path}}", unserved, methods=every)]
        found += [Route(prefix, unserved, methods=every)] if slash else []
    return found
