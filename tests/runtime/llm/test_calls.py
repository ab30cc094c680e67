"""Calls of models in this process, over providers that do as they are told: what is sent, tried again, settled and written down."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.ledger.ledger import Unavailable
from reconciler.runtime.llm.calls import ModelCalls
from reconciler.runtime.llm.outgoing import Outgoing
from reconciler.runtime.llm.prices import PriceBook
from reconciler.runtime.llm.reading import request_of
from reconciler.runtime.llm.request import ENDPOINTS, ModelRequest
from reconciler.runtime.llm.running import Whole
from reconciler.runtime.llm.streams import Streaming
from reconciler.runtime.results import Refusal
from reconciler.runtime.surfaces.llm import ModelsOverHttp
from tests.conftest import Db
from tests.runtime.llm.upstream import chat_stream, chat_whole
from tests.runtime.worlds import BOT, World, in_world

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "integrations": {
        name: {"provider": "custom", "base_url": "https://models.example.com/v1"} for name in ("main", "spare")
    },
    "routes": {
        "fast": {
            "models": ["fast"],
            "deployments": [{"integration": "main", "model": "m"}, {"integration": "spare", "model": "m2"}],
        }
    },
    "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
    "policies": {
        "models": {
            "effect": "allow",
            "subjects": {"roles": ["analyst"]},
            "actions": ["invoke"],
            "targets": {"names": ["route/*", "integration/*"]},
        }
    },
}


@dataclass
class Told:
    """A reply in pieces; an exception among them breaks it off, and a number waits."""

    parts: list[bytes | Exception | float]
    status: int = 200
    is_stream: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    closed: int = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        for one in self.parts:
            if isinstance(one, Exception):
                raise one
            if isinstance(one, float):
                await asyncio.sleep(one)
            else:
                yield one

    async def whole(self, most: int) -> bytes:
        return b"".join([one async for one in self.pieces()])

    def close(self) -> None:
        self.closed += 1


@dataclass
class Providers:
    """``does`` answers a request; ``sent`` are the models that were asked, oldest first."""

    does: Callable[[dict[str, Any]], Told | Awaitable[Told]]
    sent: list[str] = field(default_factory=list)
    replies: list[Told] = field(default_factory=list)

    async def open(self, tenant: str, integration: Resource, around: Surroundings) -> Connection:
        return self

    async def send(self, outgoing: Outgoing, call: Call) -> Told:
        body = json.loads(outgoing.body)
        self.sent.append(body["model"])
        call.effect = True
        made = self.does(body)
        reply = made if isinstance(made, Told) else await made
        self.replies.append(reply)
        return reply

    async def run(self, call: Call) -> Answer:
        raise AssertionError

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        return None


def ask(stream: bool = True, model: str = "fast", **more: Any) -> ModelRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream, **more}
    return request_of(ENDPOINTS["chat"], json.dumps(body).encode(), {})


def answering(body: dict[str, Any]) -> Told:
    if body.get("stream"):
        return Told([*chat_stream(body)])
    return Told([json.dumps(chat_whole(body)).encode()], is_stream=False)


def busy(status: int = 503) -> Told:
    return Told([b'{"error": {"message": "busy"}}'], status, is_stream=False)


async def text_of(answer: Whole | Streaming) -> bytes:
    return answer.body if isinstance(answer, Whole) else b"".join([piece async for piece in answer.pieces()])


def run(
    db: Db,
    folder: Path,
    does: Callable[[dict[str, Any]], Told | Awaitable[Told]],
    work: Callable[[World, ModelCalls, Providers], Awaitable[None]],
    document: dict[str, Any] | None = None,
) -> None:
    async def main(world: World) -> None:
        providers = Providers(does)
        world.pools._opens = {"integration": providers.open}
        await work(world, ModelCalls(world.mediator, PriceBook()), providers)

    in_world(db, folder, main, document or DOCUMENT)


def test_without_evidence_nothing_is_sent(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        async def fails(_batch: Any) -> None:
            raise OSError

        monkeypatch.setattr(world.ledger._backend, "flush", fails)
        with pytest.raises(Refusal) as caught:
            await calls.call(BOT, ask())
        assert caught.value.code == "unavailable"
        assert providers.sent == []

    run(db, folder, answering, work)


def test_a_later_try_is_written_down_before_it_is_sent(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        reserved: list[list[str]] = []
        reserve = world.ledger.reserve

        async def noted(hold: Any) -> Any:
            reserved.append([*providers.sent])
            return await reserve(hold)

        monkeypatch.setattr(world.ledger, "reserve", noted)
        await text_of(await calls.call(BOT, ask()))
        assert providers.sent == ["m", "m2"]
        assert reserved == [["m"]]

        async def unavailable(_hold: Any) -> Any:
            raise Unavailable

        monkeypatch.setattr(world.ledger, "reserve", unavailable)
        with pytest.raises(Refusal) as caught:
            await calls.call(BOT, ask())
        assert caught.value.code == "unavailable"
        assert providers.sent == ["m", "m2", "m"]
        assert [one.get("outcome") for one in await world.evidence()] == ["failure", "success"]

    run(db, folder, lambda body: busy() if body["model"] == "m" else answering(body), work)


def test_a_later_try_without_room_goes_elsewhere(db: Db, folder: Path) -> None:
    """The limit of one integration says nothing of the next one, and what has none is asked again."""
    document = copy.deepcopy(DOCUMENT)
    document["integrations"]["third"] = dict(document["integrations"]["main"])
    document["routes"]["fast"]["deployments"].append({"integration": "third", "model": "m3"})
    document["routes"]["fast"]["retry"] = {"attempts": 3}
    document["limits"] = {
        name: {"target": f"integration/{name}", "per": "hour", "requests": most}
        for name, most in (("spare", 1), ("third", 2))
    }

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        answers = [await calls.call(BOT, ask()) for _ in range(3)]
        assert [b"busy" in await text_of(one) for one in answers] == [False, False, True]
        assert providers.sent == ["m", "m2", "m3", "m", "m3", "m", "m", "m"]

    # what is no stream may have been billed, and is charged
    does = {"m": lambda _body: busy(), "m2": lambda _body: Told([b"{}"], is_stream=False), "m3": answering}
    run(db, folder, lambda body: does[body["model"]](body), work, document)


def test_there_is_no_second_try_after_output(db: Db, folder: Path) -> None:
    def breaks(body: dict[str, Any]) -> Told:
        begins = chat_stream(body)[:2]
        return Told([*begins, Failed("connection-lost", "gone")])

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        answer = await calls.call(BOT, ask())
        with pytest.raises(Refusal) as caught:
            await text_of(answer)
        assert caught.value.code == "connection-lost"
        assert providers.sent == ["m"]
        (one,) = await world.evidence()
        assert (one["outcome"], one["code"]) == ("failure", "connection-lost")
        assert providers.replies[0].closed

    run(db, folder, breaks, work)


def test_a_stream_that_ends_early_is_a_failure(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        with pytest.raises(Refusal) as caught:
            await text_of(await calls.call(BOT, ask()))
        assert caught.value.code == "stream-cut"
        assert (await world.evidence())[0]["outcome"] == "failure"

    run(db, folder, lambda body: Told([*chat_stream(body)[:3]]), work)


@pytest.mark.parametrize(
    "opening",
    [
        b'data: {"error": {"message": "x", "type": "overloaded_error"}}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}\n\n',
        b"",
        b": hello\n\n",
    ],
)
def test_a_stream_without_output_goes_elsewhere(db: Db, folder: Path, opening: bytes) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        assert b"Hello" in await text_of(await calls.call(BOT, ask()))
        assert providers.sent == ["m", "m2"]

    run(db, folder, lambda body: Told([opening]) if body["model"] == "m" else answering(body), work)


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_request_that_a_provider_refuses_is_refused_everywhere(db: Db, folder: Path, status: int) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        answer = await calls.call(BOT, ask())
        assert isinstance(answer, Whole)
        assert (answer.status, json.loads(answer.body)) == (status, {"error": {"message": "busy"}})
        assert providers.sent == ["m"]
        assert not calls.cooldowns._states

    run(db, folder, lambda _body: busy(status), work)


def test_what_a_refused_credential_was_answered_stays_here(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        with pytest.raises(Refusal) as caught:
            await calls.call(BOT, ask(model="main/m"))
        assert caught.value.code == "credential-refused"

    run(db, folder, lambda _body: busy(401), work)


def test_an_integration_that_is_denied_is_out_of_every_route(db: Db, folder: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["policies"]["not-main"] = {
        "effect": "deny",
        "subjects": "any",
        "actions": "any",
        "targets": {"names": ["integration/main"]},
    }

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        await text_of(await calls.call(BOT, ask()))
        assert providers.sent == ["m2"]
        with pytest.raises(Refusal) as caught:
            await calls.call(BOT, ask(model="main/m"))
        assert caught.value.code == "not-found"

    run(db, folder, answering, work, document)


def test_a_deployment_that_the_sweep_found_failing_is_skipped(db: Db, folder: Path) -> None:
    """A single one is asked for all that, and so is the first of two that both fail: health refuses nothing by itself."""

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        tenant = world.source.current().snapshot.tenant("acme")
        main, spare = (("acme", tenant.resources[f"integration/{name}"].uid) for name in ("main", "spare"))
        for failing in ({main}, {main, spare}, set[tuple[str, str]]()):
            world.mediator.standings.take(frozenset(failing))
            await text_of(await calls.call(BOT, ask()))
        world.mediator.standings.take(frozenset({main}))
        await text_of(await calls.call(BOT, ask(model="main/m")))
        assert providers.sent == ["m2", "m", "m", "m"]

    run(db, folder, answering, work)


def test_who_may_not_use_a_model_learns_nothing_of_its_freeze(db: Db, folder: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["policies"]["models"]["targets"]["names"] = ["route/*"]

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        for name in ("integration/main", "route/fast"):
            await asyncio.to_thread(world.command, "freeze", f"acme/{name}", "--reason", "test")
        await world.look()
        with pytest.raises(Refusal) as caught:
            await calls.call(BOT, ask(model="main/m"))
        assert caught.value.code == "not-found"
        with pytest.raises(Refusal) as caught:
            await calls.call(BOT, ask())
        assert caught.value.code == "frozen"
        assert providers.sent == []

    run(db, folder, answering, work, document)


def test_an_agent_that_goes_away_closes_the_provider_and_is_settled(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        answer = await calls.call(BOT, ask())
        assert isinstance(answer, Streaming)

        async def reads() -> None:
            await text_of(answer)

        reading = asyncio.create_task(reads())
        await asyncio.sleep(0.1)
        reading.cancel()
        await asyncio.wait({reading}, timeout=1)
        assert reading.cancelled()
        assert providers.replies[0].closed
        (one,) = await world.evidence()
        assert (one["outcome"], one["code"]) == ("failure", "cancelled")
        assert [*world.mediator.underway] == []

    run(db, folder, lambda body: Told([*chat_stream(body)[:2], 30.0]), work)


def test_a_stream_that_nobody_reads_is_settled(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        messages: list[Any] = [{"type": "http.request", "body": ask().raw}]

        async def receive() -> Any:
            if not messages:
                await asyncio.sleep(30)
            return messages.pop()

        async def send(message: Any) -> None:
            raise OSError

        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "who": BOT}
        with pytest.raises(OSError):
            await ModelsOverHttp(calls)(scope, receive, send)
        assert providers.replies[0].closed
        assert [*world.mediator.underway] == []
        assert (await world.evidence())[0]["outcome"] == "failure"

    run(db, folder, answering, work)


def test_an_open_stream_keeps_nothing_of_its_request(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        answer = await calls.call(BOT, ask(user="x" * 200_000))
        assert isinstance(answer, Streaming)
        running = answer._call
        assert running.request.raw == b""
        assert "user" not in running.request.body
        assert running.record.current is not None
        assert running.record.current.candidate.outgoing.body == b""
        await text_of(answer)

    run(db, folder, answering, work)


def test_no_surface_keeps_the_request_of_an_open_stream(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        raw = json.dumps({"model": "fast", "messages": [], "stream": True, "user": "x" * 200_000}).encode()
        before, counts, messages = sys.getrefcount(raw), list[int](), [raw]

        async def receive() -> Any:
            if not messages:
                await asyncio.sleep(30)
            return {"type": "http.request", "body": messages.pop()}

        async def send(message: Any) -> None:
            if not message.get("body"):
                return
            async with asyncio.timeout(5):  # a thread that has hashed it may have to wake up once more to let go
                while not counts and sys.getrefcount(raw) > before:
                    await asyncio.sleep(0.01)
            counts.append(sys.getrefcount(raw))

        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "who": BOT}
        await ModelsOverHttp(calls)(scope, receive, send)
        assert counts
        assert max(counts) <= before

    run(db, folder, answering, work)


def test_bytes_leave_as_they_came_however_they_are_split(db: Db, folder: Path) -> None:
    stream = b"".join(chat_stream({"stream_options": {"include_usage": True}})).replace(b"\n\n", b"\r\n\r\n")
    size = [1]

    def split(_body: dict[str, Any]) -> Told:
        return Told([stream[at : at + size[0]] for at in range(0, len(stream), size[0])])

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        for size[0] in (1, 2, 3, 7, 100, 10_000):
            answer = await calls.call(BOT, ask(stream_options={"include_usage": True}))
            assert await text_of(answer) == stream
        found = await world.evidence()
        assert {one["outcome"] for one in found} == {"success"}
        # however it came, the hash is that of what left
        assert {one["output_hash"] for one in found} == {world.mediator.hashing.hash(stream)}

    run(db, folder, split, work)


@pytest.mark.parametrize("ends", ["cut", "left", "unread"])
def test_the_hash_of_a_stream_that_is_cut_is_of_what_had_left(db: Db, folder: Path, ends: str) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        answer = await calls.call(BOT, ask())
        assert isinstance(answer, Streaming)
        left = b""
        if ends == "cut":
            try:
                async for piece in answer.pieces():
                    left += piece
            except Refusal as refusal:
                assert refusal.code == "stream-cut"  # noqa: PT017
        elif ends == "left":
            pieces = answer.pieces()
            left = await anext(pieces)
            await pieces.aclose()
        await answer.abandon()
        (one,) = await world.evidence()
        assert one["outcome"] == "failure"
        assert (one["output_hash"] or "") == (world.mediator.hashing.hash(left) if left else "")
        assert bool(left) == (ends != "unread")

    run(db, folder, lambda body: Told([*chat_stream(body)[:3]]), work)


def test_a_freeze_ends_what_runs(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        reading = asyncio.create_task(_refused(calls))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(world.command, "freeze", "acme/integration/main", "--reason", "test")
        await world.look()
        assert await asyncio.wait_for(reading, 2) == "frozen"
        assert (await world.evidence())[0]["outcome"] == "blocked"

    async def _refused(calls: ModelCalls) -> str:
        answer = await calls.call(BOT, ask())
        with pytest.raises(Refusal) as caught:
            await text_of(answer)
        return caught.value.code

    run(db, folder, lambda body: Told([*chat_stream(body)[:2], 30.0]), work)
