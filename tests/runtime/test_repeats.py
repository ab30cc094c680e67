"""A write that is sent again with the same Idempotency-Key is done once, whoever asks where, and its result is told again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler import strict_json
from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.errors import Refused as NotUsable
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.ledger import ledger as module
from reconciler.runtime.ledger.entries import Intent, Outcome, Refused, Repeated
from reconciler.runtime.ledger.ledger import Admitted, Ledger
from reconciler.runtime.ledger.repeats import REPEAT_SECONDS
from reconciler.runtime.ledger.schema import REVISION, statements
from reconciler.runtime.mediator import Done, Refusal
from reconciler.runtime.parts import backend_of
from reconciler.runtime.repeats import MOST_KEPT, Repeat
from reconciler.store.connect import writing
from reconciler.store.url import parse_database
from tests.conftest import Db
from tests.runtime.servers import served, world_with_data
from tests.runtime.test_ledger import TENANT, done, intent
from tests.runtime.worlds import BOT, WORLD, World, in_world

ADD = Ask("template/add")
REPEAT = Repeat(b"s" * 32, "acme", "bot", "key-1")


def again(one: Intent, values: str = "h", repeat: str = "k") -> Intent:
    return intent()._replace(tenant=one.tenant, caller=one.caller, values=values, repeat=repeat)


def with_ledgers(db: Db, work: Callable[[Ledger, Ledger], Awaitable[None]]) -> None:
    """Two servers over one store."""

    async def main() -> None:
        ledgers = [Ledger(backend_of(parse_database(db.url, Path("/"))), 1e9) for _ in range(2)]
        for ledger in ledgers:
            await ledger.values_key()
            ledger.start()
        try:
            await work(*ledgers)
        finally:
            for ledger in ledgers:
                await ledger.close()

    asyncio.run(main())


async def settled(ledger: Ledger, outcome: Outcome) -> None:
    ledger.settle(outcome)
    await ledger.admit(intent())  # written with the same flush, or a later one


def test_a_key_counts_once_until_it_is_known_what_came_of_it(db: Db) -> None:
    async def work(here: Ledger, there: Ledger) -> None:
        first = again(intent())
        assert await here.admit(first) == Admitted()
        for ledger in (here, there):
            assert await ledger.admit(again(first)) == Repeated("running", first.id)
            assert await ledger.admit(again(first, values="other")) == Repeated("reused", first.id)
        await settled(here, done(first)._replace(kept=b"sealed"))
        for ledger in (here, there):
            assert await ledger.admit(again(first)) == Repeated("done", first.id, b"sealed")
        # another caller's key of the same name is another key
        assert await there.admit(again(first)._replace(caller="other")) == Admitted()
        assert await there.admit(again(first)._replace(tenant="globex")) == Admitted()

    with_ledgers(db, work)


@pytest.mark.parametrize("outcome", ["failure", "timeout", "blocked"])
def test_where_nothing_was_done_it_may_be_tried_again(db: Db, outcome: str) -> None:
    async def work(here: Ledger, there: Ledger) -> None:
        first = again(intent())
        await here.admit(first)
        await settled(here, done(first, outcome))
        second = again(first)
        assert await there.admit(second) == Admitted()
        assert await here.admit(again(first)) == Repeated("running", second.id)
        await settled(there, done(second))
        assert await here.admit(again(first)) == Repeated("done", second.id)

    with_ledgers(db, work)


def test_what_may_have_been_done_is_never_done_again(db: Db) -> None:
    async def work(here: Ledger, there: Ledger) -> None:
        told, lost = again(intent(), repeat="told"), again(intent(), repeat="lost")._replace(seconds=-1.0)
        await here.admit(told)
        await here.admit(lost)  # by a process that was killed, and was over a second ago
        await settled(here, done(told, "unknown"))
        for one in (told, lost):
            assert await there.admit(again(one, repeat=one.repeat)) == Repeated("unknown", one.id)

    with_ledgers(db, work)


def test_of_many_at_once_one_is_admitted(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 10.0)  # a busy machine is not what this is about

    async def work(here: Ledger, there: Ledger) -> None:
        asked = [again(intent(), repeat=f"k{number % 5}") for number in range(100)]
        answers = await asyncio.gather(
            *((here, there)[number % 2].admit(one) for number, one in enumerate(asked)), return_exceptions=True
        )
        admitted = Counter(one.repeat for one, answer in zip(asked, answers, strict=True) if answer == Admitted())
        assert admitted == {f"k{number}": 1 for number in range(5)}
        assert all(answer == Admitted() or isinstance(answer, Repeated) for answer in answers)

    with_ledgers(db, work)


def test_a_refused_call_spends_no_key_and_a_repeated_one_no_limit(db: Db) -> None:
    limit = TENANT._replace(cap=1)

    async def work(here: Ledger, there: Ledger) -> None:
        first = again(intent())._replace(levels=(limit,))
        refused = again(intent(), repeat="other")._replace(levels=(limit,))
        assert await here.admit(first) == Admitted()
        assert isinstance(await here.admit(refused), Refused)
        assert await there.admit(again(refused, repeat="other")) == Admitted()  # without that limit
        assert isinstance(await there.admit(again(first)._replace(levels=(limit,))), Repeated)

    with_ledgers(db, work)
    assert db.sql("SELECT n FROM counters") == [(1,)]
    assert {key for (key,) in db.sql("SELECT key FROM repeats")} == {"k", "other"}


def test_a_key_is_forgotten_after_a_day(db: Db) -> None:
    async def work(here: Ledger, there: Ledger) -> None:
        first, second = again(intent()), again(intent(), repeat="other")
        await here.admit(first)
        await here.admit(second)
        await settled(here, done(first))
        db.sql(f"UPDATE repeats SET at = at - {REPEAT_SECONDS + 1} WHERE key = 'k'")
        assert await there.admit(again(first)) == Admitted()
        db.sql(f"UPDATE repeats SET at = at - {REPEAT_SECONDS + 1} WHERE key = 'k'")
        await here._backend.sweep(10.0, 1e9)
        assert db.sql("SELECT key FROM repeats") == [("other",)]

    with_ledgers(db, work)


def test_results_open_with_the_key_alone() -> None:
    content = {"changed": 1, "name": "Änne"}
    answer = Answer(content, 1, 20, cut=True, json=strict_json.write(content))
    sealed = REPEAT.seal("id-1", answer)
    assert sealed is not None
    assert REPEAT.opened("id-1", sealed) == answer
    assert b"changed" not in sealed
    others = [("acme", "bot", "key-2"), ("acme", "other", "key-1"), ("globex", "bot", "key-1")]
    for other in [Repeat(b"s" * 32, *one) for one in others] + [Repeat(b"t" * 32, "acme", "bot", "key-1")]:
        assert other.opened("id-1", sealed) is None
        assert other.digest != REPEAT.digest
    assert REPEAT.opened("id-2", sealed) is None
    for position in range(len(sealed)):
        flipped = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        assert REPEAT.opened("id-1", flipped) is None
    assert REPEAT.opened("id-1", b"") is None
    assert REPEAT.seal("id-1", Answer("", None, 1, json=b'"%s"' % (b"x" * MOST_KEPT))) is None


async def called(world: World, key: str = "key-1", ask: Ask = ADD, **arguments: Any) -> Done | Refusal:
    try:
        return await world.mediator.access(BOT, ask, arguments, key=key)
    except Refusal as refusal:
        return refusal


def test_the_outside_is_asked_once(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        first = await called(world)
        assert isinstance(first, Done)
        assert not first.replayed
        assert await called(world) == first._replace(replayed=True)
        assert len(world.outside.seen) == 1
        assert isinstance(await called(world, "key-2"), Done)
        assert isinstance(await called(world, ""), Done)
        assert len(world.outside.seen) == 3
        assert isinstance(other := await called(world, ask=Ask("template/put"), name="x"), Refusal)
        assert (other.code, other.evidence_id) == ("key-reused", first.evidence_id)
        reads = [await called(world, ask=Ask("template/top"), region="eu") for _ in range(2)]
        assert [getattr(one, "replayed", None) for one in reads] == [False, False]
        evidence = await world.evidence()
        denied = [(one["reason"], one["detail"]) for one in evidence if one["decision"] == "deny"]
        assert denied == [("repeated", first.evidence_id)] * 2
        (kept,) = world.store.sql(f"SELECT kept, key FROM repeats WHERE id = '{first.evidence_id}'")
        assert b"Ann" not in kept[0]
        assert "key-1" not in kept[1]

    document = {**WORLD, "templates": {**WORLD["templates"]}}
    document["templates"]["put"] = {
        "type": "sql",
        "datasource": "sales",
        "sql": "DELETE FROM customers WHERE name = :name",
        "read_only": False,
        "parameters": {"name": {"type": "string"}},
    }
    in_world(db, folder, work, document)


def test_a_repeated_call_is_counted_as_what_it_is(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        for _ in range(3):
            await called(world)
        with pytest.raises(Refusal):
            await world.mediator.access(BOT, Ask("template/nowhere"), {})
        assert world.metrics.calls == Counter({"success": 1, "repeated": 2, "denied": 1})

    in_world(db, folder, work)


def test_who_may_not_call_any_more_is_told_nothing(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        assert isinstance(await called(world), Done)
        await asyncio.to_thread(world.command, "freeze", "acme/connector/warehouse", "--reason", "x")
        await world.look()
        assert isinstance(refused := await called(world), Refusal)
        assert refused.code == "not-found"
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(Caller("acme", "nobody"), ADD, {}, key="key-1")
        assert caught.value.code == "not-found"

    in_world(db, folder, work)


def test_what_ended_otherwise(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        def fails(call: Call) -> Answer:
            raise Failed("unreachable", "x", "failure")

        def vanishes(call: Call) -> Answer:
            raise Failed("connection-lost", "x", "unknown")

        go_on = asyncio.Event()

        async def waits(call: Call) -> Answer:
            await go_on.wait()
            return Answer("x" * MOST_KEPT, None, MOST_KEPT)

        world.outside.does = fails
        assert isinstance(refused := await called(world), Refusal)
        assert refused.code == "unreachable"
        world.outside.does = vanishes
        assert isinstance(refused := await called(world), Refusal)
        assert isinstance(unknown := await called(world), Refusal)
        assert (unknown.code, unknown.outcome) == ("outcome-unknown", "unknown")
        assert unknown.evidence_id == refused.evidence_id
        assert len(world.outside.seen) == 2
        world.outside.does = waits
        running = asyncio.create_task(called(world, "key-2"))
        await world.until(lambda: len(world.outside.seen) == 3)
        assert isinstance(refused := await called(world, "key-2"), Refusal)
        assert (refused.code, refused.retry_after) == ("still-running", 1)
        go_on.set()
        assert isinstance(await running, Done)
        assert isinstance(refused := await called(world, "key-2"), Refusal)
        assert (refused.code, refused.outcome) == ("result-not-kept", "success")

    in_world(db, folder, work)


def test_over_http(db: Db, folder: Path) -> None:
    document = world_with_data(folder)
    document["templates"]["add"]["sql"] = "INSERT INTO customers VALUES ('Cid', 'eu') RETURNING name"
    with served(folder, db, document) as server, server.client(headers={"Idempotency-Key": "k-1"}) as client:
        answers = [client.post("/v1/tools/add/call", json={"arguments": {}}) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert [one.headers.get("Idempotency-Replayed") for one in answers] == [None, "true"]
        client.headers["Idempotency-Key"] = "x" * 256
        assert client.post("/v1/tools/add/call", json={}).json()["code"] == "invalid-key"
        with sqlite3.connect(folder / "data" / "sales.db") as connection:
            assert connection.execute("SELECT count(*) FROM customers WHERE name = 'Cid'").fetchone() == (1,)
        connection.close()


def test_a_store_of_the_first_version_is_taken_over(db: Db) -> None:
    async def work(here: Ledger, there: Ledger) -> None:
        await here.admit(again(intent()))

    with writing(parse_database(db.url, Path("/")), 10, create=True) as connection, connection.begin():
        for statement in statements(connection.dialect.name, 0, 1):
            connection.exec_driver_sql(statement)
    with_ledgers(db, work)
    assert db.sql("SELECT version FROM runtime_schema") == [(str(REVISION),)]
    assert len(db.sql("SELECT id FROM intents")) == 1
    db.sql(f"UPDATE runtime_schema SET version = '{REVISION + 1}'")
    with pytest.raises(NotUsable, match="this program knows"):
        with_ledgers(db, work)
