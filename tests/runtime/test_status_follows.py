"""What operators decided follows the uid: freezes, keys, counters, slots and repeats, through renames and into nothing else."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.runtime.call import Answer, Call
from reconciler.runtime.identity import by_key
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
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
