"""A plan says what operators decided about what it changes, and what becomes of that."""

from __future__ import annotations

import asyncio
import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.model.status import Freeze, FreezeEntry, Held
from reconciler.planner.status import with_status
from reconciler.runtime.ledger.entries import Level
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.parts import backend_of
from reconciler.store.url import parse_database
from tests.conftest import Db, Ran
from tests.planner.support import CUSTOM, HTTP, World, at, wish
from tests.planner.support import plan as make
from tests.runtime.test_status_follows import intent, renamed
from tests.runtime.worlds import WORLD, apply
from tests.store.support import Cli, cli_on

WAREHOUSE = "acme/connector/warehouse"


@pytest.fixture
def command(db: Db, folder: Path) -> Cli:
    apply(db, folder, WORLD)
    return cli_on(db.url, folder)


def plan(command: Cli, folder: Path, document: dict[str, Any], *more: str) -> Ran:
    (folder / "acme.yaml").write_text(yaml.safe_dump(document))
    return command("plan", *more)


def statuses(command: Cli, folder: Path, document: dict[str, Any]) -> dict[str, list[str]]:
    found = plan(command, folder, document, "--format", "json").ok().json
    return {one["address"]: one["status"] for one in found["resource_changes"]}


def test_a_plan_says_who_froze_what_it_renames(command: Cli, folder: Path) -> None:
    command("freeze", WAREHOUSE, "--reason", "incident 7", RECONCILER_ACTOR="ada").ok()
    told = statuses(command, folder, renamed("connector/warehouse"))
    (status,) = told["acme/connector/new-warehouse"]
    assert status.startswith("frozen since 20")
    assert status.endswith("Z by ada: incident 7")
    assert told["acme/datasource/sales"] == []
    text = command("plan").ok().out
    assert f"  # ({status})" in text
    assert f"Status: `{status}`." in command("plan", "--format", "markdown").ok().out
    assert status in command("plan", "--format", "html").ok().out
    command("plan", "--out", "saved.plan").ok()
    assert f"  # ({status})" in command("show", "saved.plan").ok().out
    command("apply", "saved.plan", "--auto-approve").ok()


def test_a_plan_says_what_a_rename_puts_under_a_freeze(command: Cli, folder: Path) -> None:
    """A freeze that was set ahead of time stops what takes its name: a working connector, by an apply."""
    command("freeze", "acme/connector/new-warehouse", "--reason", "ahead", "--allow-unknown").ok()
    (status,) = statuses(command, folder, renamed("connector/warehouse"))["acme/connector/new-warehouse"]
    assert status.startswith("will be frozen since 20")
    assert "acme/connector/warehouse stops when it takes that name" in command("plan").ok().out


def test_a_plan_says_what_ends(command: Cli, folder: Path, db: Db) -> None:
    for _ in range(2):
        command("keys", "issue", "acme/bot").ok()
    command("freeze", "acme/caller/bot", "--reason", "leaked").ok()
    (uid,) = db.sql("SELECT uid FROM resources WHERE kind = 'caller'")[0]
    db.sql(
        "INSERT INTO statuses (tenant, uid, suspended_by, suspended_reason, suspended_at) "
        "VALUES ('acme', ?, 'bob', 'asked for', '2026-11-30T09:12:00Z')",
        [uid],
    )
    renames = statuses(command, folder, renamed("caller/bot"))["acme/caller/new-bot"]
    assert renames[1:] == ["2 keys", "suspended since 2026-11-30T09:12:00Z by bob: asked for"]
    gone = copy.deepcopy(WORLD)
    del gone["callers"], gone["policies"]
    ends = statuses(command, folder, gone)["acme/caller/bot"]
    assert [status.partition("; ")[2] for status in ends] == ["ends with it", "end with it", "ends with it"]
    note = "acme/caller/bot is frozen, and its freeze ends with it: a new resource of this name is not frozen"
    assert f"Note: {note}" in command("plan").ok().out
    command("apply", "--auto-approve", "--allow-deletes", "9").ok()
    again = statuses(command, folder, WORLD)["acme/caller/bot"]
    assert len(again) == 1
    assert again[0].startswith("not frozen: a former acme/caller/bot was frozen since")
    assert "a former acme/caller/bot was frozen, and this one is new: it is not" in command("plan").ok().out


def test_a_plan_says_that_a_replacement_stays_frozen(command: Cli, folder: Path) -> None:
    command("freeze", WAREHOUSE, "--reason", "incident 7").ok()
    command("freeze", "acme/connector/later", "--reason", "not yet", "--allow-unknown").ok()
    document = copy.deepcopy(WORLD)
    document["connectors"]["warehouse"] = {"type": "custom"}
    document["connectors"]["later"] = {"type": "custom"}
    del document["datasources"], document["templates"], document["planes"]
    told = statuses(command, folder, document)
    assert told[WAREHOUSE][0].endswith(": incident 7; stays frozen")
    assert told["acme/connector/later"][0].endswith(": not yet")
    assert f"{WAREHOUSE} is frozen, and what takes its place stays frozen" in command("plan").ok().out


def test_status_moves_no_digest_of_what_a_plan_does(command: Cli, folder: Path) -> None:
    document = renamed("connector/warehouse", "caller/bot")
    before = plan(command, folder, document, "--format", "json").ok().json
    command("freeze", WAREHOUSE, "--reason", 'a "quoted", ","source": reason').ok()
    after = command("plan", "--format", "json").ok().json
    assert before["digest"] == after["digest"]
    assert before["sources_digest"] != after["sources_digest"]
    saved = (folder / "one.plan", folder / "two.plan")
    for file in saved:
        command("plan", "--out", str(file)).ok()
    assert saved[0].read_bytes() == saved[1].read_bytes()
    command("apply", str(saved[0]), "--auto-approve").ok()


def test_a_plan_says_what_was_used(command: Cli, folder: Path, tmp_path: Path) -> None:
    """Of a limit, and of what it is about, where the environment names the runtime's store."""
    limits = {name: {"target": "connector/warehouse", "per": "month", "requests": 2000} for name in ("a", "b")}
    limits["c"] = {"target": "caller/bot", "per": "month", "requests": 5}
    apply_document = {**copy.deepcopy(WORLD), "limits": limits}
    plan(command, folder, apply_document).ok()
    command("apply", "--auto-approve").ok()
    url = f"sqlite:///{tmp_path}/runtime.db"
    asyncio.run(count(url, command, 1900))
    document = renamed("connector/warehouse", "caller/bot", document=apply_document)
    for name in ("a", "b"):
        document["limits"][name] = {"target": "connector/new-warehouse", "per": "month", "requests": 3000}
    document["limits"]["c"]["target"] = "caller/new-bot"
    assert not any(statuses(command, folder, document).values())
    found = command("plan", "--format", "json", RECONCILER_RUNTIME_URL=url).ok().json["resource_changes"]
    told = {one["address"]: one["status"] for one in found}
    used = "1,900 of 2,000 requests used this month"
    assert told["acme/limit/a"] == told["acme/limit/b"] == [used]
    assert told["acme/connector/new-warehouse"] == [used, used]
    assert told["acme/caller/new-bot"] == told["acme/limit/c"] == []
    missing = command("plan", RECONCILER_RUNTIME_URL=f"sqlite:///{tmp_path}/none.db").ok()
    assert "What was used of limits is not known" in missing.err
    assert not (tmp_path / "none.db").exists()


async def count(url: str, command: Cli, n: int) -> None:
    """As a server would have, of the warehouse."""
    resources = command("list", "--format", "json").ok().json["resources"]
    (uid,) = (one["uid"] for one in resources if one["address"] == WAREHOUSE)
    ledger = Ledger(backend_of(parse_database(url, Path("/"))), 1e9)
    await ledger.values_key()
    ledger.start()
    await ledger.admit(intent([Level("acme", "connector/warehouse", "requests", "month", 2000, counter=uid)]))
    await ledger.close()
    Db(url).sql("UPDATE counters SET n = ?", [n])


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_says_of_each_change_what_the_model_says(seed: int) -> None:
    """Random live states, wishes and decisions: who is frozen before an apply is said, or is not touched by it."""
    pick, world = random.Random(seed), World()
    bodies = {f"connector/{name}": pick.choice([CUSTOM, HTTP]) for name in pick.sample("abcdef", 4)}
    for entry, body in bodies.items():
        world.ours(entry, body)
    uids = {address: row.uid for address, row in world.rows.items()}
    by_uid = {address for address in uids if pick.random() < 0.4}
    names = {at(f"connector/{name}") for name in "abcdef" if pick.random() < 0.2}
    keys = {("acme", uid): pick.randint(1, 2) for uid in uids.values() if pick.random() < 0.4}
    entries = [_entry(str(address), uids[address]) for address in sorted(by_uid)]
    entries += [_entry(str(address), None) for address in sorted(names)]
    wanted = {entry: pick.choice([CUSTOM, HTTP]) for entry in bodies if pick.random() < 0.7}
    wanted |= {f"connector/{name}": CUSTOM for name in pick.sample("abcdef", 2)}
    made = with_status(make(wish(wanted), world), Held(tuple(entries), keys))
    for change in made.changes:
        frozen = change.address in names or (change.uid is not None and change.address in by_uid)
        assert any(status.startswith("frozen since") for status in change.status) is frozen
        count = keys.get(("acme", change.uid or ""), 0)
        assert [status for status in change.status if "key" in status] == (
            [f"{count} key{'s' if count > 1 else ''}{_ends(count) if change.action.destroys else ''}"] if count else []
        )
        noted = [note for note in made.notes if str(change.address) in note]
        assert bool(noted) is (frozen and change.action.destroys)


def _ends(count: int) -> str:
    return "; ends with it" if count == 1 else "; end with it"


def _entry(target: str, uid: str | None) -> FreezeEntry:
    freeze = Freeze(target, target, "incident", "2026-11-30T09:12:00Z", "ada", "acme" if uid else None, uid, target)
    return FreezeEntry(freeze, target, "in-force")


def test_a_rollback_says_what_comes_back_with_a_uid(command: Cli, folder: Path, db: Db) -> None:
    """Freeze, keys and suspension are in force again, so nobody may do more than before."""
    command("keys", "issue", "acme/bot").ok()
    command("freeze", "acme/caller/bot", "--reason", "leaked").ok()
    (uid,) = db.sql("SELECT uid FROM resources WHERE kind = 'caller'")[0]
    db.sql(
        "INSERT INTO statuses (tenant, uid, suspended_by, suspended_reason, suspended_at) "
        "VALUES ('acme', ?, 'bob', 'asked for', '2026-11-30T09:12:00Z')",
        [uid],
    )
    gone = copy.deepcopy(WORLD)
    del gone["callers"], gone["policies"]
    (folder / "acme.yaml").write_text(yaml.safe_dump(gone))
    command("apply", "--auto-approve", "--allow-deletes", "9").ok()
    command("rollback", "1", "--out", "back.plan").ok()
    (change,) = [
        one
        for one in command("show", "back.plan", "--format", "json").ok().json["resource_changes"]
        if one["address"] == "acme/caller/bot"
    ]
    frozen, *rest = change["status"]
    assert frozen.startswith("comes back frozen since")
    assert rest == ["comes back with 1 key", "comes back suspended since 2026-11-30T09:12:00Z by bob: asked for"]
    assert "access-widened" not in change["risks"]
    assert "is new: it is not" not in command("show", "back.plan").ok().out
