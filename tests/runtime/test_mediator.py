"""The choke point: deny by default, one answer for what is not there and what is not allowed, evidence of everything."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.access.memo import Memo
from reconciler.access.snapshot import Tenant
from reconciler.runtime import source as source_module
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.ledger.entries import new_id
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
from tests.runtime.worlds import BOT, WORLD, World, apply, in_world, outcomes

TOP, ADD = Ask("template/top"), Ask("template/add")
EU = {"region": "eu"}


async def refused(world: World, caller: Caller, ask: Ask, arguments: dict[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await world.mediator.access(caller, ask, arguments)
    return caught.value


def changed(**parts: Any) -> dict[str, Any]:
    """The world with some resources besides, or in their place."""
    document = copy.deepcopy(WORLD)
    for kind, resources in parts.items():
        document[kind] = {**document.get(kind, {}), **resources}
    return document


def test_what_is_allowed_is_done_and_told(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        done = await world.mediator.access(BOT, TOP, EU, "run-7")
        assert done.answer.content == [{"name": "Ann"}]
        assert [(call.tenant, dict(call.values)) for call in world.outside.seen] == [("acme", EU)]
        (told,) = await world.evidence()
        assert (told["id"], told["policy"], told["generation"], told["run"]) == (
            done.evidence_id,
            "policy/read",
            1,
            "run-7",
        )
        assert (told["outcome"], told["rows"], told["bytes"], told["action"]) == ("success", 1, 14, "query")
        assert not told["drifted"]

    in_world(db, folder, work)


def test_missing_foreign_and_denied_look_the_same(db: Db, folder: Path) -> None:
    denied = changed(policies={"no": {"effect": "deny", "subjects": "any", "actions": ["write"], "targets": "any"}})

    async def work(world: World) -> None:
        asked = [
            (BOT, Ask("template/none")),
            (BOT, ADD),
            (Caller("globex", "bot"), TOP),
            (Caller("acme", "nobody"), TOP),
            (BOT, Ask("connector/warehouse")),
            (BOT, Ask("plane/desk", "write")),
            (BOT, Ask("template/top", "write")),
        ]
        found = [await refused(world, caller, ask, {"anything": 1}) for caller, ask in asked]
        assert {(one.code, one.unfit, one.retry_after, one.outcome) for one in found} == {("not-found", (), None, "")}
        assert not world.outside.seen
        reasons = {one["reason"] for one in await world.evidence()}
        assert {"unknown-target", "denied", "unknown-caller", "action-mismatch"} <= reasons

    in_world(db, folder, work, denied)


def test_values_are_told_only_to_who_may_call(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        found = await refused(world, BOT, TOP, {"region": "x" * 21, "more": 1})
        assert (found.code, {one.parameter for one in found.unfit}) == ("invalid-values", {"region", "more"})
        assert not world.outside.seen
        assert outcomes(await world.evidence()) == [("deny", "invalid-values")]

    in_world(db, folder, work)


def test_limits_count_and_say_when(db: Db, folder: Path) -> None:
    limited = changed(limits={"day": {"target": "caller/bot", "per": "day", "requests": 2}})

    async def work(world: World) -> None:
        for _ in range(2):
            await world.mediator.access(BOT, TOP, EU)
        found = await refused(world, BOT, TOP, EU)
        assert found.code == "limit-exceeded"
        assert 0 < (found.retry_after or 0) <= 86401
        assert len(world.outside.seen) == 2
        assert outcomes(await world.evidence())[-1] == ("deny", "limit-exceeded")

    in_world(db, folder, work, limited)


def test_without_an_intent_nothing_is_reached(db: Db, folder: Path) -> None:
    """The check at run time beside the import contract: what did not come by the ledger goes nowhere."""

    async def work(world: World) -> None:
        await world.mediator.access(BOT, TOP, EU)
        call = world.outside.seen[0]
        with pytest.raises(Failed) as caught:
            await world.mediator.pools.run(new_id(), call)
        assert (caught.value.code, len(world.outside.seen)) == ("not-admitted", 1)

    in_world(db, folder, work)


@pytest.mark.parametrize(
    ("does", "ask", "code", "outcome"),
    [
        (lambda call: _raise(Failed("too-large", "x")), TOP, "too-large", "failure"),
        (lambda call: _raise(Failed("cut-off", "x", "unknown")), ADD, "cut-off", "unknown"),
        (lambda call: _raise(RuntimeError("secret")), TOP, "internal-error", "failure"),
    ],
)
def test_what_fails_is_told(db: Db, folder: Path, does: Any, ask: Ask, code: str, outcome: str) -> None:
    async def work(world: World) -> None:
        world.outside.does = does
        found = await refused(world, BOT, ask, EU if ask is TOP else {})
        assert (found.code, found.outcome) == (code, outcome)
        assert "secret" not in str(found)
        assert outcomes(await world.evidence()) == [("allow", outcome)]

    in_world(db, folder, work)


def _raise(error: Exception) -> Any:
    raise error


def test_what_takes_too_long_ends(db: Db, folder: Path) -> None:
    document = copy.deepcopy(WORLD)
    document["templates"]["top"]["timeout_seconds"] = 1
    document["templates"]["add"]["timeout_seconds"] = 1

    async def late(call: Call) -> Answer:
        call.effect = True
        await asyncio.sleep(60)
        raise AssertionError

    async def work(world: World) -> None:
        world.outside.does = late
        found = await asyncio.gather(refused(world, BOT, TOP, EU), refused(world, BOT, ADD, {}))
        assert [(one.code, one.outcome) for one in found] == [("timeout", "timeout"), ("timeout", "unknown")]

    in_world(db, folder, work, document)


def test_a_freeze_ends_what_runs_and_stops_what_comes(db: Db, folder: Path) -> None:
    async def hangs(call: Call) -> Answer:
        call.effect = call.operation.known.address.name == "add"
        await asyncio.sleep(60)
        raise AssertionError

    async def work(world: World) -> None:
        world.outside.does = hangs
        asked = [asyncio.create_task(refused(world, BOT, ask, values)) for ask, values in ((TOP, EU), (ADD, {}))]
        await world.until(lambda: len(world.outside.seen) == 2)
        await asyncio.to_thread(world.command, "freeze", "acme/connector/warehouse", "--reason", "incident")
        found = await asyncio.wait_for(asyncio.gather(*asked), 1.0)
        assert [(one.code, one.outcome) for one in found] == [("frozen", "blocked"), ("frozen", "unknown")]
        assert (await refused(world, BOT, TOP, EU)).code == "not-found"
        await asyncio.to_thread(
            apply, world.db, world.folder, changed(limits={"x": {"target": "tenant", "concurrent": 9}})
        )
        await world.look()
        assert (await refused(world, BOT, TOP, EU)).code == "not-found"  # no apply lifts a freeze
        await asyncio.to_thread(world.command, "unfreeze", "acme/connector/warehouse", "--reason", "over")
        await world.look()
        world.outside.does = lambda call: Answer([], 0, 2)
        await world.mediator.access(BOT, TOP, EU)

    in_world(db, folder, work)


@pytest.mark.parametrize(
    "target", ["platform", "tenant/acme", "acme/caller/bot", "acme/template/top", "acme/datasource/sales"]
)
def test_everything_that_can_be_frozen(db: Db, folder: Path, target: str) -> None:
    async def work(world: World) -> None:
        await asyncio.to_thread(world.command, "freeze", target, "--reason", "x")
        await world.look()
        assert (await refused(world, BOT, TOP, EU)).code == "not-found"
        assert [one["policy"] for one in await world.evidence()] == [target]

    in_world(db, folder, work)


def test_what_was_applied_is_in_force_within_a_second(db: Db, folder: Path) -> None:
    gone = changed()
    del gone["policies"]["read"]

    async def work(world: World) -> None:
        await world.mediator.access(BOT, TOP, EU)
        await asyncio.to_thread(apply, world.db, world.folder, gone)
        await asyncio.sleep(0.95)
        assert (await refused(world, BOT, TOP, EU)).code == "not-found"

    in_world(db, folder, work)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        # an allow that somebody made by hand, or changed, counts for nothing; a deny counts at once
        (
            "UPDATE resources SET spec = replace(spec{text}, 'analyst', 'analyst2'){json} WHERE kind = 'policy'",
            "no-policy",
        ),
        (
            "UPDATE resources SET spec = replace(spec{text}, '\"allow\"', '\"deny\"'){json} WHERE kind = 'policy'",
            "denied",
        ),
        (
            "UPDATE resources SET spec = replace(spec{text}, '\"enabled\"', '\"e\"'){json} WHERE kind = 'caller'",
            "unknown-caller",
        ),
        (
            "UPDATE resources SET spec = replace(spec{text}, '\"analyst\"', '\"analyst\", \"b\"'){json} WHERE kind = 'caller'",
            "caller-drifted",
        ),
        ("DELETE FROM resources WHERE kind = 'policy'", "no-policy"),
        ("UPDATE resources SET spec = '[1]' WHERE kind = 'policy'", "policy-broken"),
    ],
)
def test_what_is_changed_by_hand(db: Db, folder: Path, sql: str, reason: str) -> None:
    words = {"text": "", "json": ""} if db.is_sqlite else {"text": "::text", "json": "::jsonb"}
    statement = (
        sql.format(**words)
        if db.is_sqlite
        else sql.replace("replace(spec{text}", "(replace(spec{text}").replace("){json}", ")){json}").format(**words)
    )

    async def work(world: World) -> None:
        db.sql(statement)
        await world.look()
        assert (await refused(world, BOT, TOP, EU)).code == "not-found"
        assert [one["reason"] for one in await world.evidence()] == [reason]

    in_world(db, folder, work)


def test_other_kinds_obey_what_is_live_and_evidence_says_so(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        cast = ("", "") if db.is_sqlite else ("::text", "::jsonb")
        db.sql(f"UPDATE resources SET spec = (replace(spec{cast[0]}, '20', '3')){cast[1]} WHERE name = 'top'")
        await world.look()
        assert (await refused(world, BOT, TOP, {"region": "long"})).code == "invalid-values"
        await world.mediator.access(BOT, TOP, EU)
        assert (await world.evidence())[0]["drifted"] is True

    in_world(db, folder, work)


def test_what_is_in_force_has_to_be_known(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "FRESH_SECONDS", 1.5)

    async def work(world: World) -> None:
        await world.mediator.access(BOT, TOP, EU)

        def broken() -> Any:
            raise OSError

        monkeypatch.setattr(world.source._watch, "pulse", broken)
        await asyncio.sleep(2.2)
        assert (await refused(world, BOT, TOP, EU)).code == "unavailable"
        assert not world.source.is_fresh
        monkeypatch.undo()
        await world.look()
        await world.mediator.access(BOT, TOP, EU)

    in_world(db, folder, work)


def test_a_check_that_raises_denies(db: Db, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(world: World) -> None:
        monkeypatch.setattr("reconciler.access.judge.decide", lambda *_: _raise(KeyError("x")))
        assert (await refused(world, BOT, TOP, EU)).code == "not-found"
        assert [one["reason"] for one in await world.evidence()] == ["check-failed"]

    in_world(db, folder, work)


def test_planes_and_tools(db: Db, folder: Path) -> None:
    allowed = changed(
        policies={
            "desk": {"effect": "allow", "subjects": "any", "actions": ["query"], "targets": {"names": ["plane/desk"]}}
        }
    )

    async def work(world: World) -> None:
        await world.mediator.access(BOT, Ask("plane/desk", "query"), EU)
        assert (await world.evidence())[0]["target"] == "plane/desk:query"
        assert [*world.mediator.tools(BOT)] == ["add", "top"]
        assert [*world.mediator.tools(Caller("globex", "bot"))] == []

    in_world(db, folder, work, allowed)


def test_a_tool_has_one_name(db: Db, folder: Path) -> None:
    """Where a template says how its tool is called, its own name is none; a name that two claim is neither's."""
    named = copy.deepcopy(WORLD)
    named["templates"]["top"]["tool_name"] = "top_customers"

    async def work(world: World) -> None:
        assert [*world.mediator.tools(BOT)] == ["add", "top_customers"]
        assert world.mediator.target_of(BOT, "top_customers") == "template/top"
        for name in ("top", "nothing"):
            assert (await refused(world, BOT, Ask(world.mediator.target_of(BOT, name)), EU)).code == "not-found"
        db.sql(
            "UPDATE resources SET spec = "
            + (
                "json_set(spec, '$.tool_name', 'top_customers')"
                if db.is_sqlite
                else "jsonb_set(spec, '{tool_name}', '\"top_customers\"')"
            )
            + " WHERE name = 'add'"
        )
        await world.look()
        assert [*world.mediator.tools(BOT)] == []
        assert (await refused(world, BOT, Ask(world.mediator.target_of(BOT, "top_customers")), EU)).code == "not-found"
        assert (await world.evidence())[0]["reason"] == "tool-name-taken"

    in_world(db, folder, work, named)


def test_values_from_who_calls(db: Db, folder: Path) -> None:
    mine = copy.deepcopy(WORLD)
    mine["templates"]["top"]["parameters"]["region"] = {"type": "string", "from": "claims.region"}

    async def work(world: World) -> None:
        assert (await refused(world, BOT, TOP, {})).code == "not-found"
        told = Caller("acme", "bot", claims={"region": "eu"})
        await world.mediator.access(told, TOP, {})
        assert dict(world.outside.seen[0].values) == EU
        assert (await refused(world, told, TOP, {"region": "us"})).code == "invalid-values"

    in_world(db, folder, work, mine)


def kept_of(tenant: Tenant) -> int:
    """How much a tenant's snapshot remembers."""
    memos = [one for one in tenant._made.values() if isinstance(one, Memo)]
    return len(tenant._read) + len(tenant._targets) + sum(map(len, memos))


def test_what_agents_make_up_is_not_kept(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        tenant = world.source.current().snapshot.tenant("acme")
        await refused(world, BOT, TOP, {})
        known = kept_of(tenant)
        for number in range(50):
            await refused(world, BOT, Ask(f"template/x{number}"), {})
            await refused(world, BOT, Ask("plane/desk", f"x{number}"), {})
            await refused(world, BOT, Ask("template/top", f"x{number}"), {})
            await refused(world, Caller("acme", f"x{number}"), TOP, {})
        assert kept_of(tenant) == known
        for name in ("x" * 65, "x" * 10**6, "a\x1b[2J", "a/b", "", "ä"):
            assert world.mediator.target_of(BOT, name) == "tool/?"
        assert world.mediator.target_of(BOT, "get-orders.v2") == "tool/get-orders.v2"

    in_world(db, folder, work)
