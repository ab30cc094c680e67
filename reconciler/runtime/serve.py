"""``serve``: a control database, a store and settings, turned into listeners that run until they are told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.load.serve_file import Listener, ServeFile
from reconciler.runtime.call import Failed, Permits, Resolve, Surroundings
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.identity import Caller, by_claims, by_key, utc_now
from reconciler.runtime.ledger.batch import Backend
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.postgresql import Postgresql
from reconciler.runtime.ledger.sqlite import Sqlite
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.pools import Pools
from reconciler.runtime.source import Source, Stale
from reconciler.runtime.surfaces import agents, operators
from reconciler.runtime.surfaces.guard import Guard
from reconciler.runtime.surfaces.mcp import mcp_server
from reconciler.runtime.surfaces.openapi import openapi
from reconciler.runtime.surfaces.problem import Json
from reconciler.runtime.tokens import Tokens
from reconciler.store.url import Database
from reconciler.store.watch import Watch

log = logging.getLogger("reconciler.runtime")
IDLE_LOOK_SECONDS = 15.0
GRACE_SECONDS = 10


class Plan(NamedTuple):
    """All that a server is made of."""

    settings: ServeFile
    places: operators.Places
    around: Surroundings


class Running(NamedTuple):
    source: Source
    ledger: Ledger
    pools: Pools
    mediator: Mediator
    metrics: Metrics


def backend_of(store: Database) -> Backend:
    if store.path is not None:
        return Sqlite(store.path)
    assert store.url is not None
    return Postgresql(store.url.set(drivername="postgresql").render_as_string(hide_password=False))


def permits_of(settings: ServeFile, folder: Path) -> Permits:
    """Relative folders count from the one of the settings."""
    roots = tuple((folder / root).resolve() for root in settings.permits.sqlite_roots)
    return Permits(tuple(ip_network(text) for text in settings.permits.networks), roots)


@contextlib.asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[Running]:
    """Everything but listeners: what a server and a stdio server have in common."""
    metrics = Metrics()
    ledger = Ledger(backend_of(plan.places.store), plan.settings.keep_days * 86400.0)
    pools = Pools(CONNECTORS, plan.around, ledger.open.__contains__)
    source = Source(Watch(plan.places.control))
    await source.start()
    mediator = Mediator(source, ledger, pools, await ledger.values_key(), metrics)
    source.changed = mediator.cancel_frozen
    ledger.start()
    idle = asyncio.create_task(_closing_idle(pools))
    try:
        yield Running(source, ledger, pools, mediator, metrics)
    finally:
        idle.cancel()
        await source.close()
        await ledger.close()
        await pools.close()


async def _closing_idle(pools: Pools) -> None:
    while True:
        await asyncio.sleep(IDLE_LOOK_SECONDS)
        await pools.close_idle()


async def serve(plan: Plan, told: Callable[[str], None]) -> None:
    """Until SIGTERM or SIGINT: then nothing new is taken, and what runs has ``GRACE_SECONDS`` to end."""
    async with running(plan) as parts:
        listeners = [(plan.settings.agents, agents_app(plan, parts), "agents")]
        if plan.settings.operators is not None:
            listeners.append((plan.settings.operators, operators_app(plan, parts), "operators"))
        servers = [uvicorn.Server(_uvicorn(listener, app)) for listener, app, _ in listeners]
        loop = asyncio.get_running_loop()

        def stop() -> None:
            for server in servers:
                server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        tasks = [asyncio.create_task(_served(server)) for server in servers]
        for task, (listener, _, name) in zip(tasks, listeners, strict=True):
            task.add_done_callback(lambda _task: stop())
            told(f"Listening for {name} at http://{listener.host}:{listener.port}")
        await asyncio.gather(*tasks)


async def _served(server: uvicorn.Server) -> None:
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    try:
        await server.serve()
    except SystemExit:
        raise RuntimeError("a listener could not be opened: is the port taken?") from None


def _uvicorn(listener: Listener, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=str(listener.host),
        port=listener.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=65536,
    )


def agents_app(plan: Plan, parts: Running) -> Any:
    server = mcp_server(parts.mediator, lambda context: context.request.scope["who"])
    # Host and Origin are checked for every route, by the guard
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, security_settings=security)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    routes = [
        *agents.routes(parts.mediator),
        *_health(parts),
        Route("/openapi.json", _document(openapi("agents"))),
        Route("/mcp", _Asgi(manager.handle_request)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=agents.HANDLERS)
    app.router.redirect_slashes = False
    tokens = Tokens(plan.settings.issuers)
    return Guard(app, plan.settings.agents, _proving(parts.source, tokens), _counting(parts.metrics))


class _Asgi:
    """An application at one path: no redirect to another spelling of it, which would name a host that the client said."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


def operators_app(plan: Plan, parts: Running) -> Any:
    assert plan.settings.operators is not None

    def metrics() -> str:
        gauges = {
            "reconciler_calls_open": float(len(parts.ledger.open)),
            "reconciler_snapshot_fresh": float(parts.source.is_fresh),
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


def _proving(source: Source, tokens: Tokens) -> Callable[[Request], Any]:
    async def prove(request: Request) -> Caller | None:
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
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
        return PlainTextResponse(
            "ready\n" if parts.source.is_fresh else "stale\n", 200 if parts.source.is_fresh else 503
        )

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _document(content: Any) -> Any:
    async def tell(_request: Request) -> Response:
        return Json(content)

    return tell


async def serve_stdio(plan: Plan, tenant: str, caller: str) -> None:
    """An MCP server on stdin and stdout, for one caller: whoever starts it vouches for that."""
    from mcp.server.stdio import stdio_server

    async with running(plan) as parts:
        who = Caller(tenant, caller)
        try:
            found = parts.source.current().snapshot.tenant(tenant).resource(f"caller/{caller}")
        except Stale:
            found = None
        if found is None:
            raise Failed("unknown-caller", f"there is no caller {tenant}/{caller}")
        server = mcp_server(parts.mediator, lambda _context: who)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


def resolving(resolve: Callable[[str, str], Any]) -> Resolve:
    """A resolver that blocks, in threads; nothing of why it failed goes further than its code."""
    from reconciler.errors import ReconcilerError

    async def resolved(tenant: str, reference: str) -> str:
        try:
            secret = await asyncio.to_thread(resolve, tenant, reference)
        except ReconcilerError:
            raise Failed("credential-unresolved", "a credential could not be had") from None
        return str(secret.reveal())

    return resolved


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """In uvloop, where there is one: it halves what the network costs."""
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(work)
    else:
        uvloop.run(work)


class JsonLog(logging.Formatter):
    """One object a line; nothing of arguments or tracebacks, which may hold what agents said."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"), "level": record.levelname.lower()}
        return orjson.dumps({**told, "logger": record.name, "message": record.getMessage()}).decode()


def log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("reconciler").setLevel(logging.INFO)
