"""What operators decided follows the uid: freezes, keys, counters, slots and repeats, through renames and into nothing else."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.access.target import Target
from reconciler.model.known import Known, Text
from reconciler.runtime.call import Answer, Call
from reconciler.runtime.identity import by_key
from reconciler.runtime.ledger.entries import Intent, Level, new_id
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.limits import declared, levels_of
from reconciler.runtime.mediator import Refusal
from reconciler.runtime.parts import backend_of
from reconciler.store.url import parse_database
from tests.conftest import Db, new_postgres_database
from tests.planner.support import HTTP, at, resource
from tests.runtime.worlds import BOT, WORLD, World, apply, in_world
from tests.store.support import cli_on

TOP = Ask("template/top")
EU = {"region": "eu"}


async def code(world: World, caller: Caller = BOT, ask: Ask = TOP) -> str:
    try:
        await world.mediator.access(caller, ask, EU)
    except Refusal as refusal:
        return refusal.code
    return "done"


def renamed(*names: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The world in which each ``kind/name`` is called ``new-name``, and everything that referred to it follows."""
    made = copy.deepcopy(document or WORLD)
    plurals = {"policy": "policies"}
    for entry in names:
        kind, name = entry.split("/")
        of_kind = made[plurals.get(kind, f"{kind}s")]
        of_kind[f"new-{name}"] = of_kind.pop(name)
    for datasource in made["datasources"].values():
        if "connector/warehouse" in names:
            datasource["connector"] = "new-warehouse"
    for template in made["templates"].values():
        if "datasource/sales" in names:
            template["datasource"] = "new-sales"
    for plane in made["planes"].values():
        if "datasource/sales" in names:
            plane["datasources"] = ["new-sales"]
        if "template/top" in names:
            plane["actions"] = {"query": "template/new-top"}
    made["moved"] = [
        {"from": entry, "to": f"{kind}/new-{name}"} for entry in names for kind, _, name in [entry.partition("/")]
    ]
    return made


async def applied(world: World, document: dict[str, Any]) -> None:
    await asyncio.to_thread(apply, world.db, world.folder, document)
    await world.look()


@pytest.mark.parametrize("frozen", ["connector/warehouse", "datasource/sales", "template/top", "caller/bot"])
def test_a_rename_lifts_no_freeze(db: Db, folder: Path, frozen: str) -> None:
    """The issue's: 404, and after the rename still 404."""

    async def work(world: World) -> None:
        assert await code(world) == "done"
        await asyncio.to_thread(world.command, "freeze", f"acme/{frozen}", "--reason", "incident 7")
        await world.look()
        assert await code(world) == "not-found"
        await applied(world, renamed(frozen))
        caller = BOT._replace(name="new-bot") if frozen == "caller/bot" else BOT
        ask = Ask("template/new-top") if frozen == "template/top" else TOP
        assert await code(world, caller, ask) == "not-found"
        assert {(one["reason"], one["policy"]) for one in await world.evidence() if one["decision"] == "deny"} == {
            ("frozen", f"acme/{frozen}")
        }
        kind, name = frozen.split("/")
        await asyncio.to_thread(world.command, "unfreeze", f"acme/{kind}/new-{name}", "--reason", "over")
        await world.look()
        assert await code(world, caller, ask) == "done"

    in_world(db, folder, work)


def test_what_runs_is_ended_under_its_new_name(db: Db, folder: Path) -> None:
    async def hangs(_call: Call) -> Answer:
        await asyncio.sleep(60)
        raise AssertionError

    async def work(world: World) -> None:
        world.outside.does = hangs
        asked = asyncio.create_task(code(world))
        await world.until(lambda: len(world.outside.seen) == 1)
        await applied(world, renamed("caller/bot"))
        await asyncio.to_thread(world.command, "freeze", "acme/caller/new-bot", "--reason", "x")
        assert await asyncio.wait_for(asked, 2.0) == "frozen"

    in_world(db, folder, work)


def test_a_tool_is_frozen(db: Db, folder: Path) -> None:
    """By the name that agents see, now and ahead of time; and its template under any other name."""

    async def work(world: World) -> None:
        await asyncio.to_thread(world.command, "freeze", "acme/tool/top", "--reason", "x")
        ahead = ("acme/tool/get_top", "--reason", "x", "--allow-unknown")
        await asyncio.to_thread(world.command, "freeze", *ahead)
        await world.look()
        assert await code(world) == "not-found"
        document = copy.deepcopy(WORLD)
        document["templates"]["top"]["tool_name"] = "get_top"
        await applied(world, document)
        assert await code(world) == "not-found"
        await asyncio.to_thread(world.command, "unfreeze", "acme/template/top", "--reason", "x")
        await world.look()
        assert await code(world) == "not-found"
        await asyncio.to_thread(world.command, "unfreeze", "acme/tool/get_top", "--reason", "x")
        await world.look()
        assert await code(world) == "done"

    in_world(db, folder, work)


def test_a_key_proves_its_caller_under_any_name(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        run = cli_on(world.db.url, world.folder)
        key = (await asyncio.to_thread(run, "keys", "issue", "acme/bot")).ok().out.strip()
        now = datetime.now(UTC)

        async def proved() -> tuple[str, str] | None:
            await world.look()
            found = by_key(world.source.current(), key, now)
            return (found.tenant, found.name) if found else None

        assert await proved() == ("acme", "bot")
        await applied(world, renamed("caller/bot"))
        assert await proved() == ("acme", "new-bot")
        both = renamed("caller/bot")
        del both["moved"]
        both["callers"]["bot"] = both["callers"]["new-bot"]
        await applied(world, both)
        assert await proved() == ("acme", "new-bot")
        without = copy.deepcopy(both)
        del without["callers"]["new-bot"]
        await applied(world, without)
        assert await proved() is None  # though there is a caller of the name under which the key was issued

    in_world(db, folder, work)


def limited(document: dict[str, Any], **targets: str) -> dict[str, Any]:
    """With a limit of three requests a month on each target."""
    limits = {name: {"target": target, "per": "month", "requests": 3} for name, target in targets.items()}
    return {**copy.deepcopy(document), "limits": limits}


async def used(world: World) -> dict[str, int]:
    return {one["target"]: one["used"] for one in await world.mediator.limits("acme")}


def test_a_rename_resets_no_limit(db: Db, folder: Path) -> None:
    """Neither of what is limited nor of the limit; and evidence names it as it is called."""
    first = limited(WORLD, a="caller/bot", b="connector/warehouse", c="template/top", d="tenant")
    targets = {"a": "caller/new-bot", "b": "connector/new-warehouse", "c": "template/new-top", "d": "tenant"}

    async def work(world: World) -> None:
        assert [await code(world), await code(world)] == ["done", "done"]
        second = renamed("caller/bot", "connector/warehouse", "template/top", document=WORLD)
        await applied(world, limited(second, **targets))
        assert await used(world) == dict.fromkeys(targets.values(), 2)
        third = limited(second, **{f"new-{name}": target for name, target in targets.items()})
        third["moved"] = [
            *third["moved"],
            *({"from": f"limit/{name}", "to": f"limit/new-{name}"} for name in targets),
        ]
        await applied(world, third)
        caller, ask = BOT._replace(name="new-bot"), Ask("template/new-top")
        assert [await code(world, caller, ask), await code(world, caller, ask)] == ["done", "limit-exceeded"]
        assert (await world.evidence())[0]["detail"] == "tenant:requests/month"

    in_world(db, folder, work, first)


def test_a_name_used_again_begins_at_zero(db: Db, folder: Path) -> None:
    first = limited(WORLD, a="template/top", b="caller/bot")

    async def work(world: World) -> None:
        assert [await code(world) for _ in range(3)] == ["done"] * 3
        without = copy.deepcopy(WORLD)
        del without["templates"]["top"], without["callers"], without["planes"], without["policies"]
        await applied(world, without)
        await applied(world, first)
        assert await used(world) == {"template/top": 0, "caller/bot": 0}
        assert await code(world) == "done"

    in_world(db, folder, work, first)


def test_slots_follow(db: Db, folder: Path) -> None:
    first = copy.deepcopy(WORLD)
    first["limits"] = {"slots": {"target": "connector/warehouse", "concurrent": 1}}
    second = renamed("connector/warehouse", document=first)
    second["limits"] = {"slots": {"target": "connector/new-warehouse", "concurrent": 1}}

    async def work(world: World) -> None:
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def waits(_call: Call) -> Answer:
            begun.set()
            await goes_on.wait()
            return Answer([], 0, 2)

        world.outside.does = waits
        running = asyncio.create_task(code(world))
        await begun.wait()
        await applied(world, second)
        assert await code(world) == "limit-exceeded"  # the one slot is taken
        goes_on.set()
        assert await running == "done"
        await world.evidence()  # the outcome is on the disk, and the slot free
        assert await code(world) == "done"

    in_world(db, folder, work, first)


def test_a_write_is_repeated_for_its_caller_alone(db: Db, folder: Path) -> None:
    """Under its new name it is done once; another caller of the old name has never sent it."""

    async def work(world: World) -> None:
        async def add(caller: Caller) -> bool:
            return (await world.mediator.access(caller, Ask("template/add"), {}, key="k" * 32)).replayed

        assert await add(BOT) is False
        await applied(world, renamed("caller/bot"))
        await world.evidence()
        assert await add(BOT._replace(name="new-bot")) is True
        both = renamed("caller/bot")
        both["callers"]["bot"] = both["callers"]["new-bot"]
        del both["moved"]
        await applied(world, both)
        assert await add(BOT) is False
        assert len(world.outside.seen) == 2

    in_world(db, folder, work)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_counters_of_an_earlier_release_are_taken_over(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_server") if kind == "postgresql" else ""
    url = new_postgres_database(server) if server else f"sqlite:///{tmp_path}/runtime.db"

    former = [
        Level("acme", name, "requests", "month", 9)
        for name in ("caller/bot", "connector/w#rate", "template/gone", "tenant")
    ]
    uids = {"caller/bot": "u-bot", "connector/w": "u-w"}
    now = [former[0]._replace(counter="u-bot"), former[1]._replace(counter="u-w#rate"), former[3]]

    async def work() -> tuple[list[int], list[int]]:
        ledger = Ledger(backend_of(parse_database(url, Path("/"))), 1e9)
        await ledger.values_key()
        ledger.start()
        for levels in (former, former, now[:1]):  # another server counts by uid already
            await ledger.admit(intent(levels))
        for _ in range(2):
            await ledger.count_by_uid(lambda _tenant, name: uids.get(name))
        counts = await ledger.used(now), await ledger.used(former)
        await ledger.close()
        return counts

    assert asyncio.run(work()) == ([3, 2, 2], [0, 0, 0, 2])


def intent(levels: list[Level]) -> Intent:
    words = dict.fromkeys(("caller", "run", "target", "connector", "action", "values", "policy"), "x")
    return Intent(id=new_id(), tenant="acme", generation=1, drifted=False, seconds=1.0, levels=(*levels,), **words)


@pytest.mark.parametrize("seed", range(10))
def test_counters_are_those_of_the_thing(seed: int, tmp_path: Path) -> None:
    """Random renames and names used again, between calls: what is used is what was done by this very life."""
    pick = random.Random(seed)
    lives, made = {name: name for name in ("a", "b", "c")}, iter(range(1000))
    done: Counter[str] = Counter()

    async def work() -> None:
        ledger = Ledger(backend_of(parse_database(f"sqlite:///{tmp_path}/r.db", Path("/"))), 1e9)
        await ledger.values_key()
        ledger.start()
        for _ in range(12):
            for name in pick.sample(sorted(lives), k=pick.randint(0, 2)):
                uid = lives.pop(name)
                free = [other for other in "abcde" if other not in lives]
                lives[pick.choice(free)] = uid if pick.random() < 0.7 else f"life-{next(made)}"
            tenant = tenant_with(lives)
            name = pick.choice(sorted(lives))
            target = tenant.target(f"template/{name}")
            assert isinstance(target, Target)
            await ledger.admit(intent([*levels_of(tenant, "nobody", target)]))
            done[lives[name]] += 1
            levels = declared(tenant)
            counted = dict(zip((one.target for one in levels), await ledger.used(levels), strict=True))
            assert counted == {f"template/{name}": done[uid] for name, uid in lives.items()}
        await ledger.close()

    asyncio.run(work())


def test_a_connectors_own_rate_is_counted_by_its_uid() -> None:
    tenant = tenant_with({"a": "life"})
    target = tenant.target("template/a")
    assert isinstance(target, Target)
    found = {level.target: level.counts for level in levels_of(tenant, "nobody", target)}
    assert found == {"template/a": "life", "connector/w#rate": "w#rate"}


def tenant_with(lives: dict[str, str]) -> Tenant:
    template = {"type": "http", "connector": "w", "method": "GET", "path": "/x"}
    bodies: dict[str, tuple[str, Any]] = {"connector/w": ("w", {**HTTP, "rate_limit": 1000})}
    for name, uid in lives.items():
        bodies[f"template/{name}"] = (uid, template)
        bodies[f"limit/{name}"] = (f"l-{uid}", {"target": f"template/{name}", "per": "month", "requests": 1000})
    known = (
        Known(at(name), uid, Text(resource(name, raw).text, 1), "shop", True) for name, (uid, raw) in bodies.items()
    )
    return snapshot_of(known).tenant("acme")
