"""``serve``: listeners over the parts of a server, which run until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from reconciler.access.judge import Caller
from reconciler.access.resource import Resource
from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.load.serve_file import DoorSettings, Listener
from reconciler.model.health import Check
from reconciler.runtime.call import Failed
from reconciler.runtime.checks import check_of
from reconciler.runtime.connections import BURST, Connections
from reconciler.runtime.door import door
from reconciler.runtime.identity import AgentEntrance
from reconciler.runtime.mcp.processes import PROCESSES
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.mediator import Mediator, Refusal
from reconciler.runtime.parts import Parts, assembled
from reconciler.runtime.setup import Setup
from reconciler.runtime.source import Stale
from reconciler.runtime.surfaces import agents, llm, operators
from reconciler.runtime.surfaces.discovery import METADATA_PATHS, Discovery
from reconciler.runtime.surfaces.guard import Guard
from reconciler.runtime.surfaces.hot import HotPaths
from reconciler.runtime.surfaces.llm import ModelsOverHttp
from reconciler.runtime.surfaces.llm_paths import BY_PATH
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_http import McpOverHttp, PlanesOverHttp
from reconciler.runtime.surfaces.mcp_stdio import Stdio, lines_of, own_streams
from reconciler.runtime.surfaces.offer import AllTools
from reconciler.runtime.surfaces.openapi import openapi
from reconciler.runtime.surfaces.operator import OperatorEntrance, OperatorsApi
from reconciler.runtime.surfaces.problem import Json
from reconciler.runtime.surfaces.traced import MCP_PATH, McpSpans, Traced
from reconciler.runtime.tokens import Tokens

log = logging.getLogger("reconciler.runtime")
GRACE_SECONDS = 10
"""How long calls may go on after the first signal; a second one ends them at once."""
LAST_SECONDS = 0.5
"""Between the end of a call and the end of a request that does not answer in spite of it."""
SPARE_FILES = 256
"""Files that a process needs besides the connections of its listeners."""


class Listening(NamedTuple):
    """One listener, and what stands behind it."""

    name: str
    listener: Listener
    guard: Guard
    connections: Connections


async def serve(setup: Setup, report: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT: then nothing new is taken, and calls have ``GRACE_SECONDS`` to end."""
    PROCESSES.is_alone = True
    async with assembled(setup) as parts:
        all_ = [_listening("agents", setup.settings.agents, agents_app(setup, parts), setup, parts)]
        if setup.settings.operators is not None:
            all_.append(_listening("operators", setup.settings.operators, operators_app(setup, parts), setup, parts))
        sockets = [_bound(one.listener) for one in all_]
        servers = [uvicorn.Server(_uvicorn(one)) for one in all_]
        stop, hurry = asyncio.Event(), asyncio.Event()

        def signalled() -> None:
            (hurry if stop.is_set() else stop).set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, signalled)
        tasks = [asyncio.create_task(_served(*pair)) for pair in zip(servers, sockets, strict=True)]
        for task, one in zip(tasks, all_, strict=True):
            task.add_done_callback(lambda _task: stop.set())
            report(f"Listening for {one.name} at http://{one.listener.host}:{one.listener.port}")
        beside = [asyncio.create_task(_ending(all_, servers, parts.mediator, stop, hurry))]
        for one in all_:
            beside += [asyncio.create_task(one.connections.sweeping()), asyncio.create_task(one.guard.checking())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in beside:
                task.cancel()


async def _ending(
    all_: list[Listening],
    servers: list[uvicorn.Server],
    mediator: Mediator,
    stop: asyncio.Event,
    hurry: asyncio.Event,
) -> None:
    """After a signal: first what only listens ends, then calls, then what is left. Each of them is answered."""
    await stop.wait()
    for one, server in zip(all_, servers, strict=True):
        one.guard.stop()
        server.should_exit = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            await hurry.wait()
    mediator.end_all()
    await asyncio.sleep(LAST_SECONDS)
    for one in all_:
        one.guard.end()


def _listening(name: str, listener: Listener, guard: Guard, setup: Setup, parts: Parts) -> Listening:
    def refused(code: Code) -> None:
        parts.metrics.refused[code, "door", ""] += 1

    listeners = 1 if setup.settings.operators is None else 2
    return Listening(name, listener, guard, Connections(_fitting(setup.settings.door, listeners), refused))


def _fitting(settings: DoorSettings, listeners: int) -> DoorSettings:
    """Return the settings with no more connections than the process may have open files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = listeners * (settings.connections + BURST) + SPARE_FILES
    allowed = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if allowed == wanted:
        return settings
    connections = max(1, (allowed - SPARE_FILES) // listeners - BURST)
    log.warning("%s open files are allowed: each listener takes %s connections", allowed, connections)
    return settings.model_copy(update={"connections": connections})


async def _served(server: uvicorn.Server, bound: socket.socket) -> None:
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    await server.serve(sockets=[bound])


def _bound(listener: Listener) -> socket.socket:
    """Bind the socket of a listener. Raises ReconcilerError."""
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


def _uvicorn(one: Listening) -> uvicorn.Config:
    return uvicorn.Config(
        one.guard,
        http=door(one.connections),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS + 2,
    )


def agents_app(setup: Setup, parts: Parts) -> Guard:
    """Return the application of the listener for agents."""
    settings, tracer = setup.settings, parts.tracer
    spans = McpSpans(tracer, "tcp") if tracer is not None else None
    discovery = Discovery(settings.agents, settings.issuers)
    models = parts.models()
    routes = [
        *agents.routes(parts.mediator),
        *llm.routes(models),
        *_health(parts),
        Route("/openapi.json", _document(openapi("agents"))),
        Route("/mcp/planes/{name}", PlanesOverHttp(parts.mediator, spans)),
        *[Route(path, _metadata(discovery)) for path in METADATA_PATHS],
    ]
    app = Starlette(routes=routes, exception_handlers=agents.HANDLERS)
    app.router.redirect_slashes = False
    entrance = AgentEntrance(parts.source, Tokens(settings.issuers, discovery.audiences), discovery)
    tools = AllTools(parts.mediator, settings.agents.discovery == "search")
    exact: dict[str, ASGIApp] = {
        MCP_PATH: McpOverHttp(Mcp(parts.mediator, tools, spans)),
        **dict.fromkeys(BY_PATH, ModelsOverHttp(models)),
    }
    hot = HotPaths(exact, agents.calling(parts.mediator), app)
    answering = hot if tracer is None else Traced(hot, tracer)
    return Guard(answering, settings.agents, settings.door, entrance, parts.metrics)


def operators_app(setup: Setup, parts: Parts) -> Guard:
    """Return the application of the listener for operators."""
    assert setup.settings.operators is not None

    def metrics() -> str:
        # imported by the first scrape: a server without one needs neither its time nor its memory
        from reconciler.runtime.exposition import exposed, gauges_of

        return exposed(parts.metrics, gauges_of(parts.ledger, parts.source, parts.mediator.breakers))

    async def check(tenant: str, resource: Resource) -> Check | None:
        return await check_of(tenant, resource, parts.pools, starts=True)

    routes = [
        *operators.routes(
            OperatorsApi(
                parts.source,
                parts.mediator,
                setup.databases,
                setup.audit_key,
                metrics,
                Servers(parts.source, parts.pools, setup.databases.store),
                parts.outbox.destinations,
                check,
            )
        ),
        *_health(parts),
        Route("/openapi.json", _document(openapi("operators"))),
    ]
    app = Starlette(routes=routes, exception_handlers=agents.HANDLERS)
    app.router.redirect_slashes = False
    entrance = OperatorEntrance(setup.settings.operators)
    return Guard(app, setup.settings.operators, setup.settings.door, entrance, parts.metrics)


def _health(parts: Parts) -> list[Route]:
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
    async def answer(_request: Request) -> Response:
        return Json(content)

    return answer


def _metadata(discovery: Discovery) -> Any:
    async def answer(request: Request) -> Response:
        return Json(discovery.metadata(request.url.path, request.headers.get("host", "")))

    return answer


async def serve_stdio(setup: Setup, tenant: str, caller: str) -> None:
    """Serve MCP on stdin and stdout for one caller, unauthenticated: who starts the process vouches for it. Raises Failed."""
    PROCESSES.is_alone = True
    async with assembled(setup) as parts:
        who = Caller(tenant, caller)
        try:
            found = parts.source.current().snapshot.tenant(tenant).resource(f"caller/{caller}")
        except Stale:
            found = None
        if found is None:
            raise Failed("unknown-caller", f"there is no caller {tenant}/{caller}")
        with own_streams() as (reader, writer):
            tools = AllTools(parts.mediator, setup.settings.agents.discovery == "search")
            spans = McpSpans(parts.tracer, "pipe") if parts.tracer is not None else None
            await Stdio(Mcp(parts.mediator, tools, spans), who, writer).serve(lines_of(reader))


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """In uvloop, where there is one: it halves what the network costs."""
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(work)
    else:
        uvloop.run(work)
