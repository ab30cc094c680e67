"""Work on large values leaves the event loop, where all other calls wait; on small ones it stays there, without a hand-over."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from starlette.requests import Request

from reconciler import strict_json
from reconciler.runtime import gate, mediator
from reconciler.runtime.call import Answer, Call
from reconciler.runtime.connectors import http, postgresql_session
from reconciler.runtime.surfaces import mcp_http
from reconciler.runtime.surfaces.requests import json_object
from reconciler.runtime.threads import LARGE
from tests.conftest import Db
from tests.runtime.connectors.support import postgresql_place, ran
from tests.runtime.connectors.test_http import asked
from tests.runtime.surfaces.support import Endpoint, request
from tests.runtime.test_mediator import ADD, EU, TOP
from tests.runtime.worlds import BOT, WORLD, World, in_world, outcomes


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], set[bool]]:
    """Watch a function of a module: whether it ran in the thread of the event loop."""

    def watched(module: Any, name: str) -> set[bool]:
        found, work = set[bool](), getattr(module, name)

        def noted(*arguments: Any) -> Any:
            found.add(threading.current_thread() is threading.main_thread())
            return work(*arguments)

        monkeypatch.setattr(module, name, noted)
        return found

    return watched


@pytest.mark.parametrize(("count", "on_loop"), [(10, True), (20_000, False)])
def test_a_large_answer_is_judged_aside(db: Db, folder: Path, where: Any, count: int, on_loop: bool) -> None:
    passed = where(gate, "passed")
    rows = [{"name": "Ann"}] * count

    async def work(world: World) -> None:
        world.outside.does = lambda call: Answer(rows, count, len(json.dumps(rows)))
        done = await world.mediator.access(BOT, TOP, EU)
        assert len(strict_json.read(done.answer.json)) == count

    in_world(db, folder, work)
    assert passed == {on_loop}


@pytest.mark.parametrize(("length", "on_loop"), [(10, True), (2 * LARGE, False)])
def test_large_values_are_judged_aside(db: Db, folder: Path, where: Any, length: int, on_loop: bool) -> None:
    bound, hashed = where(mediator, "bound_of"), where(gate, "hashable")

    async def work(world: World) -> None:
        await world.mediator.access(BOT, TOP, {"region": "x" * length})

    document = json.loads(json.dumps(WORLD))
    document["templates"]["top"]["parameters"]["region"] = {"type": "string"}
    in_world(db, folder, work, document)
    assert (bound, hashed) == ({on_loop}, {on_loop})


def test_who_goes_away_while_an_answer_is_judged_leaves_the_truth(
    db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write was done, and its evidence says so; who repeats it with the same key is given what came of it."""
    begun, go_on = threading.Event(), threading.Event()
    passes = gate.passed

    def slowly(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(20)
        return passes(*arguments)

    def writes(call: Call) -> Answer:
        call.effect = True
        return Answer("x" * 2 * LARGE, None, 2 * LARGE)

    async def work(world: World) -> None:
        world.outside.does = writes
        task = asyncio.create_task(world.mediator.access(BOT, ADD, {}, key="k"))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        await asyncio.sleep(0.05)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await world.mediator.access(BOT, ADD, {}, key="k")
        assert again.replayed
        assert len(world.outside.seen) == 1
        assert outcomes(await world.evidence())[0] == ("allow", "success")

    monkeypatch.setattr(gate, "passed", slowly)
    in_world(db, folder, work)


@pytest.mark.parametrize(("count", "on_loop"), [(10, True), (20_000, False)])
def test_a_large_response_of_an_api_is_read_aside(where: Any, count: int, on_loop: bool) -> None:
    read = where(http, "_content")

    async def rows(_request: web.Request) -> web.StreamResponse:
        return web.json_response([{"name": "Ann"}] * count)

    answer, _, _ = asked(rows, {"path": "/rows"})
    assert isinstance(answer, Answer)
    assert len(answer.content["body"]) == count
    assert read == {on_loop}


@pytest.mark.parametrize(("count", "on_loop"), [(10, True), (20_000, False)])
def test_many_rows_are_read_aside(postgres_server: str, where: Any, count: int, on_loop: bool) -> None:
    place = postgresql_place(postgres_server)
    read = where(postgresql_session, "told_of")
    answer = ran(place, f"SELECT n FROM generate_series(1, {count}) AS n", connector={"max_rows": count})
    assert isinstance(answer, Answer)
    assert answer.rows == count
    assert read == {on_loop}


@pytest.mark.parametrize(("length", "on_loop"), [(10, True), (2 * LARGE, False)])
def test_a_large_request_is_read_aside(db: Db, folder: Path, where: Any, length: int, on_loop: bool) -> None:
    body, message = where(strict_json, "read"), where(mcp_http, "parse")
    sent = {"arguments": {"region": "x" * length}}

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(sent).encode(), "more_body": False}

    async def work(world: World) -> None:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
        assert await json_object(Request(scope, receive)) == sent
        assert body == {on_loop}
        await Endpoint(world).send(request("tools/call", name="top", **sent))
        assert message == {on_loop}

    in_world(db, folder, work)
