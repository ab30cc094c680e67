"""A plan says what operators decided about what it changes, and what becomes of that."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Db, Ran
from tests.runtime.test_status_follows import renamed
from tests.runtime.worlds import WORLD, apply
from tests.store.support import Cli, cli_on

WAREHOUSE = "acme/connector/warehouse"


@pytest.fixture
def command(db: Db, folder: Path) -> Cli:
    apply(db, folder, WORLD)
    return cli_on(db.url, folder)


def plan(command: Cli, folder: Path, document: dict[str, Any], *more: str) -> Ran:
    import yaml

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
    del gone["callers"]
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
