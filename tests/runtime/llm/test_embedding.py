"""A text of a call turned into its vector: by a model call of its own, with evidence, limits and usage for the same caller."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import judge
from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, EmbeddedText, Failed, Surroundings
from reconciler.runtime.connectors.vector import _Vector
from reconciler.runtime.connectors.vector_asked import Delete, Search, Upsert
from reconciler.runtime.inside import Outer
from reconciler.runtime.ledger.entries import new_id
from reconciler.runtime.llm.calls import ModelCalls
from reconciler.runtime.llm.embedding import ModelEmbeddings, vector_in
from reconciler.runtime.llm.prices import PriceBook
from reconciler.runtime.mediator import Done
from reconciler.runtime.results import Refusal
from tests.conftest import Db
from tests.runtime.llm.test_calls import Providers, Told
from tests.runtime.worlds import BOT, World, in_world

EMBED = {"integration": "main", "model": "embed", "text": "query: {question}"}
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "integrations": {
        "main": {"provider": "custom", "base_url": "https://models.example.com/v1", "max_retries": 0},
    },
    "connectors": {"vectors": {"type": "vector", "engine": "pgvector", "dsn": "env://DSN", "read_only": False}},
    "datasources": {
        "handbook": {
            "type": "vector",
            "connector": "vectors",
            "collection": "articles",
            "classification": "internal",
            "filter": {"tenant": "acme"},
        }
    },
    "templates": {
        "find": {
            "type": "vector",
            "datasource": "handbook",
            "operation": "search",
            "embed": EMBED,
            "parameters": {"question": {"type": "string", "max_length": 2000}},
        },
        "keep": {
            "type": "vector",
            "datasource": "handbook",
            "operation": "upsert",
            "embed": EMBED,
            "id": "{id}",
            "parameters": {"question": {"type": "string"}, "id": {"type": "string"}},
        },
    },
    "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
    "policies": {
        "read": {
            "effect": "allow",
            "subjects": {"roles": ["analyst"]},
            "actions": "any",
            "targets": {"names": ["template/*"]},
        }
    },
}
FIND, KEEP = Ask("template/find"), Ask("template/keep")


class Store:
    """An engine that only remembers what it was asked for."""

    def __init__(self) -> None:
        self.vectors: list[list[float]] = []

    async def open(self, tenant: str, connector: Resource, around: Surroundings) -> Connection:
        return _Vector(self)

    async def search(self, call: Call, wanted: Search) -> Answer:
        self.vectors.append([*wanted.vector])
        return Answer([], 0, 2)

    async def upsert(self, call: Call, wanted: Upsert) -> Answer:
        self.vectors.append([*wanted.vector])
        return Answer({"upserted": 1}, 1, 0)

    async def delete(self, call: Call, wanted: Delete) -> Answer:
        raise AssertionError

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        return None


def embedded(body: dict[str, Any], vector: Any = (0.5, 0.25)) -> Told:
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    answer = {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    return Told([json.dumps(answer).encode()], is_stream=False)


Work = Callable[[World, Store, Providers], Awaitable[None]]


def run(db: Db, folder: Path, does: Callable[[dict[str, Any]], Any], work: Work, **more: Any) -> None:
    """``more`` is added to the document."""

    async def main(world: World) -> None:
        providers, store = Providers(does), Store()
        world.pools._opens = {"integration": providers.open, "vector": store.open}
        world.mediator.embeddings = ModelEmbeddings(ModelCalls(world.mediator, PriceBook()))
        await work(world, store, providers)

    in_world(db, folder, main, {**copy.deepcopy(DOCUMENT), **more})


async def ask(world: World, target: Ask = FIND, run: str = "", **values: Any) -> Done | Refusal:
    try:
        return await world.mediator.access(BOT, target, {"question": "how?", **values}, run)
    except Refusal as refusal:
        return refusal


def test_a_text_becomes_the_vector_by_a_call_of_its_own(db: Db, folder: Path) -> None:
    asked: list[Any] = []

    def does(body: dict[str, Any]) -> Told:
        asked.append(body)
        return embedded(body)

    async def work(world: World, store: Store, providers: Providers) -> None:
        done = await ask(world, run="r1")
        assert isinstance(done, Done), done.code
        assert isinstance(await ask(world, KEEP, id="a"), Done)
        assert store.vectors == [[0.5, 0.25]] * 2
        assert asked[0] == {"model": "embed", "input": "query: how?", "encoding_format": "float"}
        told = {one["id"]: one for one in await world.evidence()}
        outer = told[done.evidence_id]
        (inner,) = [one for one in told.values() if one["run"] == done.evidence_id]
        assert (outer["run"], outer["target"], outer["outcome"]) == ("r1", "template/find", "success")
        assert (inner["target"], inner["action"], inner["caller"]) == ("integration/main", "invoke", "bot")
        assert (inner["policy"], inner["outcome"]) == ("policy/read", "success")
        assert [one["address"] for one in inner["path"]] == ["acme/template/find", "acme/integration/main"]
        assert "acme/integration/main" in [one["address"] for one in outer["path"]]
        assert "how?" not in json.dumps(told)

    run(db, folder, does, work)


def _answers(*parts: bytes, status: int = 200) -> Callable[[dict[str, Any]], Told]:
    return lambda _body: Told([*parts], status, is_stream=False)


LIES: list[Callable[[dict[str, Any]], Any]] = [
    _answers(b'{"error": {"message": "no"}}', status=400),
    _answers(b"busy", status=503),
    _answers(b"not json"),
    _answers(b'{"data": []}'),
    _answers(b'{"data": [{"embedding": [NaN]}]}'),
    _answers(b'{"data": [{"embedding": [1e999]}]}'),
    _answers(b'{"data": [{"embedding": ["1"]}]}'),
    _answers(b'{"data": [{"embedding": "AAAA"}]}'),
    _answers(b'{"data": [{"embedding": []}]}'),
    _answers(b'{"data": [{"embedding": [0, 0]}]}'),
    _answers(b'{"data": [{"embedding": [1]}, {"embedding": [1]}]}'),
    _answers(b"[]"),
    lambda _body: Told([Failed("connection-lost", "x", "unknown")], is_stream=False),
]


def test_without_a_vector_nothing_is_searched_and_nothing_written(db: Db, folder: Path) -> None:
    answers = iter([one for one in LIES for _ in range(2)])

    async def work(world: World, store: Store, providers: Providers) -> None:
        for number in range(len(LIES)):
            world.mediator.breakers._breakers.clear()
            for target, more in ((FIND, {}), (KEEP, {"id": "a"})):
                refused = await ask(world, target, **more)
                assert isinstance(refused, Refusal), number
                assert (refused.code, refused.outcome) == ("embedding-failed", "failure"), number
        assert store.vectors == []
        assert len(providers.sent) == 2 * len(LIES)
        assert world.mediator.breakers.open["acme"] == 0

    run(db, folder, lambda body: next(answers)(body), work)


def test_what_fails_is_the_integrations_fault_and_not_the_stores(db: Db, folder: Path) -> None:
    async def work(world: World, store: Store, providers: Providers) -> None:
        for _ in range(5):
            assert isinstance(await ask(world), Refusal)
        refused = await ask(world)
        assert isinstance(refused, Refusal)
        assert (refused.code, len(providers.sent)) == ("breaker-open", 5)
        ((_, connector),) = [(key, one.connector.name) for key, one in world.mediator.breakers._breakers.items()]
        assert connector == "integration/main"

    run(db, folder, _answers(b"busy", status=503), work)


LIMITS: dict[str, dict[str, Any]] = {
    "requests of the integration": {"target": "integration/main", "per": "month", "requests": 1},
    "tokens of the caller": {"target": "caller/bot", "per": "month", "tokens": 80},
    "tokens of the tenant": {"target": "tenant", "per": "month", "tokens": 80},
}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_limits_count_for_the_caller(db: Db, folder: Path, limit: dict[str, Any]) -> None:
    async def work(world: World, store: Store, providers: Providers) -> None:
        first = await ask(world)
        assert isinstance(first, Done), first.code
        refused = [await ask(world) for _ in range(4)][-1]
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.outcome) == ("limit-exceeded", "blocked")
        assert refused.retry_after
        assert len(providers.sent) == len(store.vectors) < 5

    run(db, folder, embedded, work, limits={"one": limit})


def test_a_search_takes_one_slot(db: Db, folder: Path) -> None:
    async def work(world: World, store: Store, providers: Providers) -> None:
        assert isinstance(await ask(world), Done)

    run(db, folder, embedded, work, limits={"one": {"target": "tenant", "concurrent": 1}})


def test_a_limit_of_the_integration_is_counted_once(db: Db, folder: Path) -> None:
    async def work(world: World, store: Store, providers: Providers) -> None:
        assert isinstance(await ask(world), Done)
        (limit,) = await world.mediator.limits("acme")
        assert limit["used"] == 1

    run(db, folder, embedded, work, limits={"one": {"target": "integration/main", "per": "month", "requests": 9}})


def test_nothing_outside_of_the_chain_is_asked(db: Db, folder: Path) -> None:
    """A connector that asks for another integration than its template's gets nothing."""

    async def work(world: World, store: Store, providers: Providers) -> None:
        in_force = world.mediator.in_force()
        tenant = in_force.snapshot.tenant("acme")
        decision = judge(tenant, in_force.status, BOT, FIND)
        outer = Outer(new_id(), in_force, tenant, BOT.within(tenant), decision)
        assert world.mediator.embeddings is not None
        deadline = asyncio.get_running_loop().time() + 5
        for name in ("spare", "nobody"):
            with pytest.raises(Failed) as refused:
                await world.mediator.embeddings.vector(outer, EmbeddedText(name, "embed", "x"), deadline)
            assert refused.value.code == "embedding-failed"
        assert providers.sent == []
        assert await world.mediator.embeddings.vector(outer, EmbeddedText("main", "embed", "x"), deadline)

    spare = {"main": DOCUMENT["integrations"]["main"], "spare": DOCUMENT["integrations"]["main"]}
    run(db, folder, embedded, work, integrations=spare)


DENY = {"effect": "deny", "subjects": "any", "actions": "any", "targets": {"names": ["integration/main"]}}


def test_what_holds_the_integration_back_holds_the_template_back(db: Db, folder: Path) -> None:
    policies = DOCUMENT["policies"]

    async def denied(world: World, store: Store, providers: Providers) -> None:
        refused = await ask(world)
        assert isinstance(refused, Refusal)
        assert refused.code == "not-found"
        assert world.mediator.tools(BOT) == {}
        assert providers.sent == []

    run(db, folder, embedded, denied, policies={**policies, "no": DENY})


def test_a_freeze_of_the_integration_ends_it(db: Db, folder: Path) -> None:
    async def slow(body: dict[str, Any]) -> Told:
        await asyncio.sleep(20)
        return embedded(body)

    async def work(world: World, store: Store, providers: Providers) -> None:
        call = asyncio.create_task(ask(world))
        await world.until(lambda: bool(providers.sent))
        await asyncio.to_thread(world.command, "freeze", "acme/integration/main", "--reason", "x")
        async with asyncio.timeout(5):
            while not call.done():
                await world.look()
                await asyncio.sleep(0.02)
        refused = await call
        assert isinstance(refused, Refusal)
        assert refused.code == "frozen"
        assert store.vectors == []
        assert [one["outcome"] for one in await world.evidence()] != []

    run(db, folder, slow, work)


def test_guardrails_on_the_integration_hold_for_the_text(db: Db, folder: Path) -> None:
    guardrail = {
        "targets": {"names": ["integration/*"]},
        "phases": ["input"],
        "check": {"type": "pattern", "builtin": ["iban"]},
        "action": "block",
    }

    async def work(world: World, store: Store, providers: Providers) -> None:
        refused = await ask(world, question="pay to DE89 3704 0044 0532 0130 00")
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.outcome) == ("content-blocked", "blocked")
        assert (providers.sent, store.vectors) == ([], [])

    run(db, folder, embedded, work, guardrails={"no-iban": guardrail})


def test_a_model_that_takes_too_long_ends_in_time(db: Db, folder: Path) -> None:
    async def slow(body: dict[str, Any]) -> Told:
        await asyncio.sleep(20)
        return embedded(body)

    async def work(world: World, store: Store, providers: Providers) -> None:
        refused = await ask(world)
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.outcome) == ("embedding-failed", "timeout")
        assert store.vectors == []

    templates = copy.deepcopy(DOCUMENT["templates"])
    templates["find"]["timeout_seconds"] = 1
    run(db, folder, slow, work, templates=templates)


@pytest.mark.parametrize("vector", ["[]", "[1e999]", '["1"]', "[null]", "[true]", "[[1]]", "{}", '"AAAA"'])
def test_what_is_no_vector_of_a_model(vector: str) -> None:
    with pytest.raises(Failed) as refused:
        vector_in(f'{{"data": [{{"embedding": {vector}}}]}}'.encode())
    assert refused.value.code == "embedding-failed"


@pytest.mark.parametrize("number", [2**70, -(2**70), 0.1, 1])
def test_numbers_are_read_as_floats(number: float) -> None:
    assert vector_in(json.dumps({"data": [{"embedding": [number]}]}).encode()) == [float(number)]
