"""The guard before an application that does as it is told: who gets in, how many, when streams end, and what is counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.load.serve_file import AgentsListener, DoorSettings, Issuer, Listener
from reconciler.runtime import source as source_module
from reconciler.runtime import token_claims
from reconciler.runtime import tokens as tokens_module
from reconciler.runtime.identity import AgentEntrance
from reconciler.runtime.surfaces.discovery import Discovery
from reconciler.runtime.surfaces.guard import Guard
from reconciler.runtime.surfaces.problem import REFUSED, Json
from reconciler.runtime.tokens import Tokens
from tests.conftest import Db
from tests.runtime.test_serve import Issuer as Issuing
from tests.runtime.worlds import WORLD, World, in_world
from tests.store.support import cli_on

App = Callable[[Any, Any, Any], Awaitable[None]]


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await Json({"who": scope["who"].name})(scope, receive, send)


class Streams:
    """Answers with events until it is ended, and notes that it was."""

    def __init__(self) -> None:
        self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        try:
            await asyncio.sleep(60)
        finally:
            self.ended += 1


class Asked:
    """One request to a guard, and what came back so far."""

    def __init__(self, guard: Guard, authorization: str, method: str = "GET", path: str = "/v1/tools") -> None:
        headers = [(b"host", b"localhost"), (b"authorization", authorization.encode())]
        self.messages: list[Mapping[str, Any]] = []
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        self.task = asyncio.create_task(guard(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    async def answer(self) -> tuple[int, Any]:
        async with asyncio.timeout(5):
            await self.task
        return self.status, json.loads(self.body)


def guarded(world: World, app: App, issuers: Mapping[str, Issuer] | None = None, **door: Any) -> Guard:
    entrance = AgentEntrance(world.source, Tokens(issuers or {}), Discovery(AgentsListener(), issuers or {}))
    return Guard(app, Listener(), DoorSettings(**door), entrance, world.metrics)


async def issued(world: World) -> str:
    run = cli_on(world.db.url, world.folder)
    key = await asyncio.to_thread(lambda: run("keys", "issue", "acme/bot").ok().out.strip())
    await world.look()
    return f"Bearer {key}"


ENDINGS = {
    "revoked": (("keys", "revoke", "acme/bot"), "unauthenticated"),
    "frozen caller": (("freeze", "acme/caller/bot", "--reason", "x"), "frozen"),
    "frozen tenant": (("freeze", "tenant/acme", "--reason", "x"), "frozen"),
    "caller gone": ((), "unauthenticated"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stream_ends_with_what_let_it_in(db: Db, folder: Path, ending: str) -> None:
    command, code = ENDINGS[ending]

    async def work(world: World) -> None:
        app = Streams()
        guard = guarded(world, app)
        checking = asyncio.create_task(guard.checking())
        asked = Asked(guard, await issued(world), path="/mcp")
        await asyncio.sleep(0.6)
        assert (asked.status, asked.task.done()) == (200, False)  # checked, and found good
        if command:
            await asyncio.to_thread(world.command, *command)
        else:
            db.sql("UPDATE resources SET name = 'other' WHERE kind = 'caller'")
        async with asyncio.timeout(5):
            await asked.task
        last = asked.messages[-1]
        assert (last["body"][:20], last["more_body"]) == (b"event: error\ndata: {", False)
        assert json.loads(last["body"].partition(b"data: ")[2])["code"] == code
        assert app.ended == 1
        assert world.metrics.refused == {(code, "mcp", "acme"): 1}
        checking.cancel()

    in_world(db, folder, work)


def test_a_stream_ends_where_nobody_knows_whether_it_may_go_on(
    db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(world: World) -> None:
        guard = guarded(world, Streams())
        checking = asyncio.create_task(guard.checking())
        asked = Asked(guard, await issued(world))
        await asyncio.sleep(0.1)
        monkeypatch.setattr(source_module, "FRESH_SECONDS", -1.0)
        async with asyncio.timeout(5):
            await asked.task
        assert b'"unavailable"' in asked.messages[-1]["body"]
        checking.cancel()

    in_world(db, folder, work)


def test_stopping_ends_streams_and_lets_answers_come(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        go = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/mcp":
                await Streams()(scope, receive, send)
            await go.wait()
            await answers(scope, receive, send)

        guard, key = guarded(world, slow), await issued(world)
        stream, one, other = Asked(guard, key, path="/mcp"), Asked(guard, key), Asked(guard, key)
        await asyncio.sleep(0.05)
        guard.stop()
        async with asyncio.timeout(1):
            await stream.task
        assert b'"stopping"' in stream.messages[-1]["body"]
        status, told = await Asked(guard, key).answer()
        assert (status, told["code"]) == (503, "stopping")
        assert not one.task.done()
        guard.end()
        assert {(await asked.answer())[1]["code"] for asked in (one, other)} == {"stopping"}

    in_world(db, folder, work)


def test_caps_on_what_is_under_way(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        go = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await go.wait()
            await answers(scope, receive, send)

        guard, key = guarded(world, slow, requests=3, requests_per_caller=2), await issued(world)
        first = [Asked(guard, key) for _ in range(2)]
        await asyncio.sleep(0.05)
        more = Asked(guard, key)
        status, told = await more.answer()
        assert (status, told["code"]) == (429, "too-many-requests")
        assert (b"retry-after", b"1") in more.messages[0]["headers"]
        nobody = Asked(guard, "Bearer x")
        assert (await nobody.answer())[0] == 401
        full = guarded(world, slow, requests=2)
        first += [Asked(full, key) for _ in range(2)]
        await asyncio.sleep(0.05)
        status, told = await Asked(full, key).answer()
        assert (status, told["code"]) == (503, "overloaded")
        go.set()
        assert [await one.answer() for one in first] == [(200, {"who": "bot"})] * 4
        assert await Asked(guard, key).answer() == (200, {"who": "bot"})  # places come free again
        assert world.metrics.refused == {
            ("too-many-requests", "http", "acme"): 1,
            ("unauthenticated", "http", ""): 1,
            ("overloaded", "http", ""): 1,
        }

    in_world(db, folder, work)


def test_refusals_of_all_surfaces_are_counted_and_requests_timed(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        async def refuses(scope: Any, receive: Any, send: Any) -> None:
            scope[REFUSED] = "limit-exceeded"  # as a surface does whose refusals are no problem documents
            await answers(scope, receive, send)

        async def fails(scope: Any, receive: Any, send: Any) -> None:
            await Json({}, 500)(scope, receive, send)

        key = await issued(world)
        for app, path in ((refuses, "/mcp"), (fails, "/v1/x"), (answers, "/v1/x")):
            await Asked(guarded(world, app), key, path=path).task
        assert world.metrics.refused == {("limit-exceeded", "mcp", "acme"): 1, ("status-500", "http", "acme"): 1}
        timed = {key: sum(histogram.counts) for key, histogram in world.metrics.seconds.items()}
        assert timed == {("mcp", 2): 1, ("http", 5): 1, ("http", 2): 1}

    in_world(db, folder, work)


def test_an_outage_is_no_wrong_credential(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients throw away a credential that is answered 401."""
    document = {
        **WORLD,
        "callers": {
            "bot": {
                "roles": ["analyst"],
                "auth": {"api_key": {"max_age_days": 30}, "jwt": {"issuer": "corp", "claims": {"azp": "bot"}}},
            }
        },
    }
    issuing = Issuing()
    trusted = Issuer(jwks_url=issuing.url, issuer="https://corp", audience="agents")

    async def work(world: World) -> None:
        guard = guarded(world, answers, {"corp": trusted})
        key, token = await issued(world), f"Bearer {issuing.token()}"
        gone = guarded(world, answers, {"corp": trusted.model_copy(update={"jwks_url": "http://127.0.0.1:9/"})})

        async def codes(*credentials: str, at: Guard = guard) -> list[str | None]:
            return [(await Asked(at, one).answer())[1].get("code") for one in credentials]

        assert await codes(key, token, "Bearer a.b.c") == [None, None, "unauthenticated"]
        assert await codes(token, token, key, "Bearer a.b.c", at=gone) == ["unavailable"] * 2 + [
            None,
            "unauthenticated",
        ]
        # a token that names a key that nobody has, while the others' keys are known and the issuer is down
        monkeypatch.setattr(tokens_module, "LEAST_SECONDS", -1.0)
        monkeypatch.setattr(token_claims, "fetched", lambda _url: None)
        assert await codes(token, f"Bearer {issuing.token(kid='k2')}") == [None, "unavailable"]
        monkeypatch.undo()
        monkeypatch.setattr(source_module, "FRESH_SECONDS", -1.0)
        assert await codes(key, token, "Bearer rk_0_x", "") == ["unavailable"] * 3 + ["unauthenticated"]
        monkeypatch.undo()
        monkeypatch.setattr("reconciler.runtime.identity.by_key", lambda *_: 1 // 0)
        assert await codes(key, token) == ["unavailable", None]

    in_world(db, folder, work, document)
    issuing.server.shutdown()


def test_clocks_may_differ_by_half_a_minute(db: Db, folder: Path) -> None:
    document = {
        **WORLD,
        "callers": {"bot": {"roles": ["analyst"], "auth": {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}}}}},
    }
    issuing = Issuing()
    issuers = {"corp": Issuer(jwks_url=issuing.url, issuer="https://corp", audience="agents")}

    async def work(world: World) -> None:
        import time

        guard, now = guarded(world, answers, issuers), int(time.time())
        for claims, status in (
            ({"exp": now - 20}, 200),
            ({"exp": now - 35}, 401),
            ({"nbf": now + 20, "iat": now + 20}, 200),
            ({"nbf": now + 60}, 401),
            ({"iat": now + 60}, 401),
        ):
            assert (await Asked(guard, f"Bearer {issuing.token(**claims)}").answer())[0] == status, claims

    in_world(db, folder, work, document)
    issuing.server.shutdown()
