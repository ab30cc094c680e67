"""Calls that wait for an approval: they run once, with what was approved, and otherwise never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Barrier
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.model.approval import Approval
from reconciler.runtime.approvals import Approvals, Pending
from reconciler.runtime.ledger import approvals
from reconciler.runtime.ledger import ledger as ledger_module
from reconciler.runtime.ledger.approvals import Request, decide
from reconciler.runtime.ledger.entries import Unapproved, Use, new_id
from reconciler.runtime.ledger.ledger import Admitted, Ledger
from reconciler.runtime.ledger.writing import writing_store
from reconciler.runtime.mediator import Refusal
from reconciler.runtime.parts import backend_of
from reconciler.runtime.surfaces.approved import pending_result
from reconciler.runtime.surfaces.mcp import Mcp
from reconciler.runtime.surfaces.mcp_wire import Request as McpRequest
from reconciler.secrets.envelope import FileKey
from reconciler.secrets.ring import Ring
from reconciler.strict_json import read
from tests.campaigns.approval_kills import campaign
from tests.conftest import Db
from tests.runtime.ledger.support import intent, store_of
from tests.runtime.worlds import BOT, WORLD, World, apply, outcomes, world
from tests.store.support import database_of

LEAD: dict[str, Any] = {"roles": ["lead"]}
TOP, EU = Ask("template/top"), {"region": "eu"}
KEY = FileKey("k1", b"k" * 32)
RING = Ring(KEY, lambda _id: KEY)


def under(approval: Any = LEAD, **more: Any) -> dict[str, Any]:
    """The world, whose allow asks for an approval."""
    return WORLD | {"policies": {"read": WORLD["policies"]["read"] | {"approval": approval}}} | more


@asynccontextmanager
async def waiting_world(db: Db, folder: Path, document: dict[str, Any] | None = None) -> AsyncIterator[World]:
    async with world(db, folder, document or under()) as made:
        made.mediator.approvals = Approvals(database_of(made.store), RING)
        yield made


def run(db: Db, folder: Path, work: Callable[[World], Any], document: dict[str, Any] | None = None) -> None:
    async def main() -> None:
        async with waiting_world(db, folder, document) as made:
            await work(made)

    asyncio.run(main())


async def asked(made: World, arguments: dict[str, Any] | None = None, caller: Caller = BOT) -> Pending:
    with pytest.raises(Pending) as caught:
        await made.mediator.access(caller, TOP, arguments or EU)
    return caught.value


def approve(made: World, identity: str, approved: bool = True) -> bool:
    with approvals.deciding(database_of(made.store), identity, ()) as (connection, waiting):
        assert waiting is not None
        return decide(connection, waiting, approved, "ann", "fine")


async def refused(work: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value.code


def test_it_waits_is_approved_and_runs_once(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        first = await asked(made)
        again = await asked(made)
        assert (again.waiting.id, again.is_new, again.evidence_id) == (first.waiting.id, False, "")
        assert await refused(made.mediator.redeem(BOT, first.waiting.id)) == "approval-required"
        assert made.outside.seen == []
        assert approve(made, first.waiting.id)
        done = await made.mediator.redeem(BOT, first.waiting.id)
        assert [call.values for call in made.outside.seen] == [EU]
        assert await refused(made.mediator.redeem(BOT, first.waiting.id)) == "approval-used"
        assert len(made.outside.seen) == 1
        found = await made.evidence()
        assert outcomes(found) == [("deny", "approval-required"), ("allow", "success"), ("deny", "approval-used")]
        assert found[1]["id"] == done.evidence_id
        one = approvals.get(database_of(made.store), first.waiting.id)
        assert one is not None
        assert (one.state, one.evidence) == ("used", done.evidence_id)

    run(db, folder, work)


def test_the_identical_call_uses_it_too(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        first = await asked(made)
        assert approve(made, first.waiting.id)
        await made.mediator.access(BOT, TOP, EU)
        assert len(made.outside.seen) == 1
        assert (await asked(made)).waiting.id != first.waiting.id

    run(db, folder, work)


def test_a_denial_holds_until_it_expires(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        first = await asked(made)
        assert approve(made, first.waiting.id, approved=False)
        assert await refused(made.mediator.access(BOT, TOP, EU)) == "approval-denied"
        assert await refused(made.mediator.redeem(BOT, first.waiting.id)) == "approval-denied"
        assert made.outside.seen == []

    run(db, folder, work)


OTHER = Caller("acme", "other")
TOKEN = Caller("acme", "bot", claims={"iss": "https://corp", "sub": "eve"}, issuer="corp")


@pytest.mark.parametrize(
    ("caller", "arguments", "ask"),
    [
        (BOT, {"region": "us"}, TOP),
        (OTHER, EU, TOP),
        (TOKEN, EU, TOP),
        (BOT, EU, Ask("plane/desk", "query")),
    ],
    ids=["values", "caller", "subject", "target"],
)
def test_nothing_else_runs_by_it(db: Db, folder: Path, caller: Caller, arguments: Any, ask: Ask) -> None:
    two = WORLD["callers"]["bot"]
    allow = {"effect": "allow", "subjects": "any", "actions": "any", "targets": "any", "approval": LEAD}
    document = WORLD | {"callers": {"bot": two, "other": two}, "policies": {"read": allow}}

    async def work(made: World) -> None:
        identity = (await asked(made)).waiting.id
        assert approve(made, identity)
        assert await refused(made.mediator.access(caller, ask, arguments, approval=identity)) == "approval-stale"
        if caller == OTHER:
            assert await refused(made.mediator.redeem(caller, identity)) == "not-found"
        assert made.outside.seen == []

    run(db, folder, work, document)


@pytest.mark.parametrize("changed", ["spec", "connector", "policy"])
def test_none_after_a_changed_spec(db: Db, folder: Path, changed: str) -> None:
    top = WORLD["templates"]["top"]
    sql = "SELECT name, region FROM customers WHERE region = :region"
    elsewhere = WORLD["connectors"]["warehouse"] | {"database": "y.db"}
    after = {
        "spec": under(templates=WORLD["templates"] | {"top": top | {"sql": sql}}),
        "connector": under(connectors={"warehouse": elsewhere}),
        "policy": under(LEAD | {"four_eyes": True}),
    }[changed]

    async def work(made: World) -> None:
        identity = (await asked(made)).waiting.id
        assert approve(made, identity)
        await asyncio.to_thread(apply, db, folder, after)
        await made.look()
        assert await refused(made.mediator.redeem(BOT, identity)) == "approval-stale"
        assert made.outside.seen == []

    run(db, folder, work)


@pytest.mark.parametrize("state", ["pending", "approved"])
def test_none_after_it_expired(db: Db, folder: Path, state: str) -> None:
    """By the clock of the database: nobody's process says how late it is."""

    async def work(made: World) -> None:
        identity = (await asked(made)).waiting.id
        assert state == "pending" or approve(made, identity)
        made.store.sql("UPDATE approvals SET expires = (julianday('now') - 2440587.5) * 86400.0 - 1")
        assert state == "approved" or not approve(made, identity)
        assert await refused(made.mediator.access(BOT, TOP, EU, approval=identity)) == "approval-expired"
        assert made.outside.seen == []
        assert (await asked(made)).waiting.id != identity

    run(db, folder, work)


def test_without_a_key_it_is_denied(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        made.mediator.approvals = None
        assert await refused(made.mediator.access(BOT, TOP, EU)) == "not-found"
        assert made.mediator.tools(BOT) == {}
        assert outcomes(await made.evidence()) == [("deny", "no-key")]

    run(db, folder, work)


def test_values_lie_sealed(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        await asked(made, {"region": "atlantis"})
        assert b"atlantis" not in made.store.path.read_bytes() + Path(f"{made.store.path}-wal").read_bytes()

    run(db, folder, work)


def test_a_limit_that_refuses_leaves_the_approval(db: Db, folder: Path) -> None:
    limits = {"one": {"target": "caller/bot", "per": "day", "requests": 1}}

    async def work(made: World) -> None:
        ids = [(await asked(made, {"region": one})).waiting.id for one in ("eu", "us")]
        for identity in ids:
            assert approve(made, identity)
        await made.mediator.redeem(BOT, ids[0])
        assert await refused(made.mediator.redeem(BOT, ids[1])) == "limit-exceeded"
        one = approvals.get(database_of(made.store), ids[1])
        assert one is not None
        assert one.state == "approved"

    run(db, folder, work, under(limits=limits))


def test_at_most_20_of_a_caller_wait(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        for number in range(approvals.OF_A_CALLER):
            await asked(made, {"region": str(number)})
        assert await refused(made.mediator.access(BOT, TOP, {"region": "x"})) == "too-many-approvals"
        assert not (await asked(made, {"region": "1"})).is_new

    run(db, folder, work)


def test_over_mcp(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        mcp = Mcp(made.mediator)

        async def call(name: str, **arguments: Any) -> dict[str, Any]:
            params = {"name": name, "arguments": arguments}
            found: dict[str, Any] = read((await mcp.answer(BOT, McpRequest(1, "tools/call", params))).text)
            return found

        listed = read((await mcp.answer(BOT, McpRequest(1, "tools/list", {}))).text)["tools"]
        assert [tool["name"] for tool in listed] == ["add", "approved_call", "top"]
        told = await call("top", region="eu")
        assert told["isError"] is False
        pending = told["structuredContent"]
        assert pending["status"] == "approval-required"
        assert (await call("approved_call", approval_id=pending["approval_id"]))["structuredContent"][
            "retry_after"
        ] == 30
        assert approve(made, pending["approval_id"])
        assert (await call("approved_call", approval_id=pending["approval_id"]))["structuredContent"]["rows"] == 1

    run(db, folder, work)


def test_a_tool_that_shows_an_output_schema_says_it_as_an_error(db: Db, folder: Path) -> None:
    """Structured content of another form than the schema says would be a lie."""

    async def work(made: World) -> None:
        pending = await asked(made)
        assert pending_result(pending)["isError"] is False
        pending.shows_output = True
        told = pending_result(pending)
        assert (told["isError"], "structuredContent" in told) == (True, False)
        assert pending.waiting.id in told["content"][0]["text"]

    run(db, folder, work)


def test_an_id_is_of_no_use_once_nobody_has_to_approve(db: Db, folder: Path) -> None:
    """It would run what was approved once, as often as somebody names it."""

    async def work(made: World) -> None:
        identity = (await asked(made)).waiting.id
        assert approve(made, identity)
        await asyncio.to_thread(apply, db, folder, WORLD)
        await made.look()
        assert await refused(made.mediator.redeem(BOT, identity)) == "approval-stale"

    run(db, folder, work)


def test_its_tool_is_listed_for_those_who_may_wait(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        listed = read((await Mcp(made.mediator).answer(BOT, McpRequest(1, "tools/list", {}))).text)["tools"]
        assert [tool["name"] for tool in listed] == ["add", "top"]

    run(db, folder, work, WORLD)


def made_request(store: Any, bound: str = "b", state: str = "approved") -> str:
    request = Request(new_id(), bound, "acme", "bot", "u-bot", "", "", "template/top", "query", "p", Approval(), b"x")
    waiting, _ = approvals.ask(store, request)
    if state == "approved":
        with writing_store(store) as connection:
            assert decide(connection, waiting, True, "ann", "")
    return request.id


@pytest.mark.parametrize("state", ["pending", "approved"])
def test_of_two_replicas_one_uses_it(db: Db, folder: Path, state: str) -> None:
    """Each has a connection of its own, and both ask at the same time; one whose request is pending uses it never."""

    async def main() -> None:
        store = store_of(db)
        ledgers = [Ledger(backend_of(store), 1e9) for _ in range(2)]
        for ledger in ledgers:
            await ledger.values_key()
            ledger.start()
        try:
            for _ in range(5):
                identity = await asyncio.to_thread(made_request, store, new_id(), state)
                waiting = await asyncio.to_thread(approvals.get, store, identity)
                assert waiting is not None
                use = Use(identity, waiting.request.bound)
                intents = [intent()._replace(use=use) for _ in range(6)]
                found = await asyncio.gather(*(ledgers[n % 2].admit(one) for n, one in enumerate(intents)))
                assert sum(isinstance(one, Admitted) for one in found) == (1 if state == "approved" else 0)
                assert sum(isinstance(one, Unapproved) for one in found) == (5 if state == "approved" else 6)
        finally:
            for ledger in ledgers:
                await ledger.close()

    with patch.object(ledger_module, "WAIT_SECONDS", 20.0):  # a busy machine is not what this test is about
        asyncio.run(main())


def test_two_who_ask_at_the_same_time_ask_once(db: Db, folder: Path) -> None:
    async def main() -> None:
        store = store_of(db)
        ledger = Ledger(backend_of(store), 1e9)
        await ledger.values_key()
        try:
            ids, rounds, ready = list[str](), 8, Barrier(6)

            def asks(bound: str) -> str:
                ready.wait(60)
                return made_request(store, bound, "pending")

            for number in range(rounds):  # so that a busy machine brings two together, too
                ids += await asyncio.gather(*(asyncio.to_thread(asks, f"same-{number}") for _ in range(6)))
            found = {one.id for one in await asyncio.to_thread(approvals.listed, store, ("acme",), 100)}
            assert len(found) == rounds
            assert found <= {*ids}
        finally:
            await ledger.close()

    asyncio.run(main())


def test_kills_between_approval_and_use(db: Db, folder: Path) -> None:
    """The bounded default of tests/campaigns/approval_kills.py: what was approved once is done at most once."""
    found = campaign(db, folder, rounds=4, seed=5)
    assert found["seen_twice"] == []
    assert 0 < found["seen"] <= found["states"]["used"]
