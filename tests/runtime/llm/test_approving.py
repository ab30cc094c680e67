"""Model calls that wait for an approval: sealed, approved, redeemed by the same request once, and by nothing else."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from reconciler.runtime.approvals import Approvals, Pending
from reconciler.runtime.ledger import approvals
from reconciler.runtime.ledger.approvals import decide
from reconciler.runtime.llm.approving import MOST_SEALED
from reconciler.runtime.llm.calls import ModelCalls
from reconciler.runtime.llm.reading import request_of
from reconciler.runtime.llm.request import ENDPOINTS, ModelRequest
from reconciler.runtime.results import Refusal
from reconciler.secrets.envelope import FileKey
from reconciler.secrets.keys import create_keys
from reconciler.secrets.ring import Ring
from tests.conftest import Db
from tests.runtime.llm.test_calls import DOCUMENT, Providers, answering, ask, run, text_of
from tests.runtime.llm.upstream import upstream, world
from tests.runtime.servers import served
from tests.runtime.worlds import BOT, World, apply, outcomes
from tests.store.support import database_of

KEY = FileKey("k1", b"k" * 32)
RING = Ring(KEY, lambda _id: KEY)
APPROVAL = {"roles": ["lead"]}


def under(approval: Any = APPROVAL, **more: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    if approval:
        document["policies"]["models"]["approval"] = approval
    return document | more


def waiting(
    db: Db,
    folder: Path,
    work: Callable[[World, ModelCalls, Providers], Awaitable[None]],
    document: dict[str, Any] | None = None,
) -> None:
    async def sealed(world: World, calls: ModelCalls, providers: Providers) -> None:
        world.mediator.approvals = Approvals(database_of(world.store), RING)
        await work(world, calls, providers)

    run(db, folder, answering, sealed, document or under())


async def asked(calls: ModelCalls, request: ModelRequest | None = None) -> Pending:
    with pytest.raises(Pending) as caught:
        await calls.call(BOT, request or ask())
    return caught.value


async def refused(work: Awaitable[Any]) -> str:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value.code


def approve(world: World, identity: str, approved: bool = True) -> None:
    with approvals.deciding(database_of(world.store), identity, ()) as (connection, found):
        assert found is not None
        assert decide(connection, found, approved, "ann", "fine")


def state(world: World, identity: str) -> str:
    found = approvals.get(database_of(world.store), identity)
    assert found is not None
    return found.state


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_the_same_request_runs_once(db: Db, folder: Path, stream: bool, named: bool) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        first = await asked(calls, ask(stream))
        assert (await asked(calls, ask(stream))).waiting.id == first.waiting.id
        given = first.waiting.id if named else ""
        assert providers.sent == []
        approve(world, first.waiting.id)
        assert b"Hello" in await text_of(await calls.call(BOT, ask(stream), approval=given))
        code = await refused(calls.call(BOT, ask(stream), approval=given))
        assert code == ("approval-used" if named else "approval-required")
        assert providers.sent == ["m"]
        assert state(world, first.waiting.id) == "used"
        found = outcomes(await world.evidence())
        assert found == [("deny", "approval-required"), ("allow", "success"), ("deny", code)]

    waiting(db, folder, work)


def test_of_many_at_once_one_runs(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        identity = (await asked(calls)).waiting.id
        approve(world, identity)
        found = await asyncio.gather(
            *(calls.call(BOT, ask(), approval=identity) for _ in range(8)), return_exceptions=True
        )
        ran = [one for one in found if not isinstance(one, BaseException)]
        assert len(ran) == 1
        assert providers.sent == ["m"]
        await text_of(ran[0])

    waiting(db, folder, work)


def test_a_request_is_the_same_whatever_order_its_fields_have(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        identity = (await asked(calls)).waiting.id
        approve(world, identity)
        raw = json.dumps(dict(reversed(ask().body.items())), indent=1).encode()
        await text_of(await calls.call(BOT, request_of(ENDPOINTS["chat"], raw, {})))
        assert state(world, identity) == "used"

    waiting(db, folder, work)


@pytest.mark.parametrize(
    "other",
    [
        ask(user="x"),
        ask(stream=False, max_tokens=9),
        ask(model="main/m", max_tokens=9),
        request_of(ENDPOINTS["messages"], ask(max_tokens=9).raw, {}),
        request_of(ENDPOINTS["chat"], ask(max_tokens=9).raw, {"anthropic-beta": "x"}),
    ],
    ids=["values", "whole", "model", "endpoint", "headers"],
)
def test_nothing_else_runs_by_it(db: Db, folder: Path, other: ModelRequest) -> None:
    document = under()
    for one in document["integrations"].values():
        one["formats"] = ["openai", "anthropic"]

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        identity = (await asked(calls, ask(max_tokens=9))).waiting.id
        approve(world, identity)
        assert await refused(calls.call(BOT, other, approval=identity)) == "approval-stale"
        assert providers.sent == []
        assert state(world, identity) == "approved"

    waiting(db, folder, work, document)


def test_it_is_redeemed_in_its_format_alone(db: Db, folder: Path) -> None:
    """What redeems tools and templates says so, and leaves the approval as it was."""

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        identity = (await asked(calls)).waiting.id
        approve(world, identity)
        assert await refused(world.mediator.redeem(BOT, identity)) == "invalid-values"
        assert (providers.sent, state(world, identity)) == ([], "approved")

    waiting(db, folder, work)


@pytest.mark.parametrize("changed", ["route", "integration", "policy", "none asked for"])
def test_none_after_a_change(db: Db, folder: Path, changed: str) -> None:
    after = under(
        APPROVAL | {"four_eyes": True} if changed == "policy" else None if changed == "none asked for" else APPROVAL
    )
    if changed == "route":
        after["routes"]["fast"]["deployments"][0]["model"] = "large"
    elif changed == "integration":
        after["integrations"]["main"]["base_url"] = "https://elsewhere.example.com/v1"

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        identity = (await asked(calls)).waiting.id
        approve(world, identity)
        await asyncio.to_thread(apply, world.db, folder, after)
        await world.look()
        assert await refused(calls.call(BOT, ask(), approval=identity)) == "approval-stale"
        assert providers.sent == []

    waiting(db, folder, work, under())


def test_a_denial_holds_and_an_unknown_id_shows_nothing(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        identity = (await asked(calls)).waiting.id
        approve(world, identity, approved=False)
        for given in ("", identity):
            assert await refused(calls.call(BOT, ask(), approval=given)) == "approval-denied"
        for given in ("0" * 32, "?", "x" * 10_000):
            assert await refused(calls.call(BOT, ask(), approval=given)) == "approval-stale"
        assert providers.sent == []

    waiting(db, folder, work)


def test_money_is_held_when_it_is_redeemed_and_a_limit_leaves_the_approval(db: Db, folder: Path) -> None:
    limits = {"budget": {"target": "caller/bot", "per": "month", "requests": 1}}

    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        ids = [(await asked(calls, ask(user=name))).waiting.id for name in "ab"]
        assert [one["used"] for one in await world.mediator.limits("acme")] == [0]
        for identity in ids:
            approve(world, identity)
        await text_of(await calls.call(BOT, ask(user="a"), approval=ids[0]))
        assert await refused(calls.call(BOT, ask(user="b"), approval=ids[1])) == "limit-exceeded"
        assert [state(world, one) for one in ids] == ["used", "approved"]

    waiting(db, folder, work, under(limits=limits))


def test_a_request_that_can_not_be_made_asks_nobody(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        assert (
            await refused(calls.call(BOT, request_of(ENDPOINTS["messages"], ask().raw, {}))) == "format-not-supported"
        )
        assert await refused(calls.call(BOT, ask(user="x" * MOST_SEALED))) == "too-large"
        assert approvals.listed(database_of(world.store), (), 10) == []

    waiting(db, folder, work)


def test_without_a_key_there_is_no_such_model(db: Db, folder: Path) -> None:
    async def work(world: World, calls: ModelCalls, providers: Providers) -> None:
        world.mediator.approvals = None
        assert await refused(calls.call(BOT, ask())) == "not-found"
        assert calls.models(BOT) == {}
        assert outcomes(await world.evidence()) == [("deny", "no-key")]

    waiting(db, folder, work)


def test_both_sdks_wait_and_redeem(db: Db, folder: Path) -> None:
    """The prompt lies in no file in clear, and the operator sees it."""
    key = folder.parent / "keys.json"
    create_keys(key)
    prompt: Any = [{"role": "user", "content": "atlantis-is-near"}]
    with upstream() as up:
        document = world(up)
        document["policies"]["models"]["approval"] = APPROVAL
        env = {"MODEL_KEY": "k" * 20, "RECONCILER_KEY_FILE": str(key)}
        permits = {"networks": ["127.0.0.0/8"], "env": ["MODEL_KEY"]}
        with served(folder, db, document, env, permits=permits) as server:
            store = f"sqlite:///{folder}/runtime.db"
            one = openai.OpenAI(base_url=f"{server.agents}/v1", api_key=server.key, timeout=30)
            with pytest.raises(openai.PermissionDeniedError) as caught:
                one.chat.completions.create(model="fast", messages=prompt, stream=True)
            assert isinstance(caught.value.body, dict)
            assert caught.value.code == "approval_required"
            identity = caught.value.body["approval_id"]
            assert caught.value.response.headers["x-approval-id"] == identity
            server.command("approvals", "approve", identity, "--store", store, "--role", "lead", "--reason", "fine")
            given = {"X-Approval-Id": identity}
            stream = one.chat.completions.create(model="fast", messages=prompt, stream=True, extra_headers=given)
            assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == "Hello wide world"
            with pytest.raises(openai.PermissionDeniedError) as caught:
                one.chat.completions.create(model="fast", messages=prompt, stream=True, extra_headers=given)
            assert caught.value.code == "approval_used"
            two = anthropic.Anthropic(base_url=server.agents, api_key=server.key, timeout=30)
            with pytest.raises(anthropic.PermissionDeniedError) as denied:
                two.messages.create(model="fast", max_tokens=9, messages=prompt)
            assert isinstance(denied.value.body, dict)
            identity = denied.value.body["error"]["approval_id"]
            server.command("approvals", "approve", identity, "--store", store, "--role", "lead", "--reason", "fine")
            done = two.messages.create(
                model="fast", max_tokens=9, messages=prompt, extra_headers={"X-Approval-Id": identity}
            )
            assert done.content[0].text == "Hello wide world"  # type: ignore[union-attr]
            assert len(up.seen) == 2
            for file in folder.glob("runtime.db*"):
                assert b"atlantis" not in file.read_bytes()
            assert "atlantis" not in server.log.read_text()
