"""``serve``: a control database, a store and settings, turned into listeners that run until they are told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.access.judge import Caller
from reconciler.errors import ReconcilerError
from reconciler.load.serve_file import Listener
from reconciler.runtime.call import Failed
from reconciler.runtime.identity import by_claims, by_key, utc_now
from reconciler.runtime.mediator import Refusal
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.running import Plan, Running, running
from reconciler.runtime.source import Source, Stale
from reconciler.runtime.surfaces import agents, operators
from reconciler.runtime.surfaces.guard import Guard
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_http import McpOverHttp
from reconciler.runtime.surfaces.mcp_stdio import Stdio, lines_of, own_streams
from reconciler.runtime.surfaces.openapi import openapi
from reconciler.runtime.surfaces.problem import Json
from reconciler.runtime.tokens import Tokens

log = logging.getLogger("reconciler.runtime")
GRACE_SECONDS = 10


async def serve(plan: Plan, told: Callable[[str], None]) -> None:
    """Until SIGTERM or SIGINT: then nothing new is taken, and what runs has ``GRACE_SECONDS`` to end."""
    async with running(plan) as parts:
        listeners = [(plan.settings.agents, agents_app(plan, parts), "agents")]
        if plan.settings.operators is not None:
            listeners.append((plan.settings.operators, operators_app(plan, parts), "operators"))
        sockets = [_bound(listener) for listener, _, _ in listeners]
        servers = [uvicorn.Server(_uvicorn(app)) for _, app, _ in listeners]
        loop = asyncio.get_running_loop()

        def stop() -> None:
            for server in servers:
                server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        tasks = [asyncio.create_task(_served(*pair)) for pair in zip(servers, sockets, strict=True)]
        for task, (listener, _, name) in zip(tasks, listeners, strict=True):
            task.add_done_callback(lambda _task: stop())
            told(f"Listening for {name} at http://{listener.host}:{listener.port}")
        await asyncio.gather(*tasks)


async def _served(server: uvicorn.Server, bound: socket.socket) -> None:
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    await server.serve(sockets=[bound])


def _bound(listener: Listener) -> socket.socket:
    """Raises ReconcilerError."""
    host = str(listener.host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, listener.port), family=family, backlog=2048)
    except OSError as error:
        raise ReconcilerError(
            f"can't listen at {host}:{listener.port}: {error.strerror or error}",
            code="listener-unusable",
            hint="choose another `host` or `port` in serve.yaml (--config)",
        ) from None


def _uvicorn(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=65536,
    )


def agents_app(plan: Plan, parts: Running) -> Any:
    routes = [
        *agents.routes(parts.mediator),
        *_health(parts),
        Route("/openapi.json", _document(openapi("agents"))),
        Route("/mcp", McpOverHttp(Mcp(parts.mediator))),
    ]
    app = Starlette(routes=routes, exception_handlers=agents.HANDLERS)
    app.router.redirect_slashes = False
    tokens = Tokens(plan.settings.issuers)
    return Guard(app, plan.settings.agents, _proving(parts.source, tokens), _counting(parts.metrics))


def operators_app(plan: Plan, parts: Running) -> Any:
    assert plan.settings.operators is not None

    def metrics() -> str:
        gauges = {
            "reconciler_calls_open": float(len(parts.ledger.open)),
            "reconciler_snapshot_fresh": float(parts.source.is_fresh),
            "reconciler_store_bytes": float(parts.ledger.space.used),
            "reconciler_store_free_bytes": float(-1 if parts.ledger.space.free is None else parts.ledger.space.free),
            "reconciler_store_alarm": float(parts.ledger.is_short_of_space),
            "reconciler_evidence_failures_total": float(parts.ledger.failures),
        }
        return parts.metrics.text(gauges)

    routes = [
        *operators.routes(parts.source, parts.mediator, plan.places, metrics),
        *_health(parts),
        Route("/openapi.json", _document(openapi("operators"))),
    ]
    app = Starlette(routes=routes, exception_handlers=agents.HANDLERS)
    app.router.redirect_slashes = False
    prove = operators.proving(plan.settings.operators)
    return Guard(app, plan.settings.operators, prove, _counting(parts.metrics))


def _counting(metrics: Metrics) -> Callable[[str], None]:
    def count(reason: str) -> None:
        metrics.refused[reason] += 1

    return count


def _proving(source: Source, tokens: Tokens) -> Callable[[str], Any]:
    async def prove(authorization: str) -> Caller | None:
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            return None
        in_force = source.current()
        if credential.startswith("rk_"):
            return by_key(in_force, credential, utc_now())
        found = await tokens.claims(credential)
        return None if found is None else by_claims(source.current(), *found)

    return prove


def _health(parts: Running) -> list[Route]:
    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        try:
            await parts.mediator.require_ready()
        except Refusal:
            why = "no evidence" if parts.source.is_fresh else "stale"
            return PlainTextResponse(f"{why}\n", 503)
        return PlainTextResponse("ready\n")

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _document(content: Any) -> Any:
    async def tell(_request: Request) -> Response:
        return Json(content)

    return tell


async def serve_stdio(plan: Plan, tenant: str, caller: str) -> None:
    """An MCP server on stdin and stdout, for one caller: whoever starts it vouches for that."""
    async with running(plan) as parts:
        who = Caller(tenant, caller)
        try:
            found = parts.source.current().snapshot.tenant(tenant).resource(f"caller/{caller}")
        except Stale:
            found = None
        if found is None:
            raise Failed("unknown-caller", f"there is no caller {tenant}/{caller}")
        with own_streams() as (reader, writer):
            await Stdio(Mcp(parts.mediator), who, writer).serve(lines_of(reader))


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """In uvloop, where there is one: it halves what the network costs."""
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(work)
    else:
        uvloop.run(work)
