"""`freeze`, `unfreeze` and `freeze --list`: what is there, what was meant, and what is in force, on both databases."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from reconciler.kinds.freezing import LONGEST_REASON
from tests.conftest import Db
from tests.runtime.worlds import WORLD, apply
from tests.store.support import Cli, cli_on

WAREHOUSE = "acme/connector/warehouse"
TARGETS = (
    "platform",
    "tenant/acme",
    "acme/caller/bot",
    WAREHOUSE,
    "acme/template/top",
    "acme/plane/desk",
    "acme/tool/top",
)
UNKNOWN = {
    "tenant/acne": "tenant/acme",
    "acme/caller/bat": "acme/caller/bot",
    "acme/connector/warehose": WAREHOUSE,
    "acne/connector/warehouse": WAREHOUSE,
    "acme/tool/tap": "acme/tool/top",
    "acme/tool/github__create-issue": None,
    "acme/integration/none": None,
    "key/0123456789abcdef": None,
}
MOVED = {"from": "connector/warehouse", "to": "connector/store"}


def renamed() -> dict[str, object]:
    document = copy.deepcopy(WORLD)
    document["connectors"]["store"] = document["connectors"].pop("warehouse")
    document["datasources"]["sales"]["connector"] = "store"
    return {**document, "moved": [MOVED]}


def listed(run: Cli) -> list[tuple[str, str | None, str]]:
    found = run("freeze", "--list", "--format", "json").ok().json["freezes"]
    return [(one["target"], one["address"], one["state"]) for one in found]


@pytest.mark.parametrize("target", TARGETS)
def test_frozen_and_lifted(db: Db, folder: Path, target: str) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    assert f"{target} is frozen now." in run("freeze", target, "--reason", "incident 7").ok().out
    assert f"{target} was frozen already." in run("freeze", target, "--reason", "again").ok().out
    assert db.sql("SELECT target, reason FROM freezes WHERE lifted_at IS NULL") == [(target, "incident 7")]
    (row,) = run("freeze", "--list").ok().out.splitlines()[1:]
    assert row.split()[0] == target or "frozen as acme/tool/top" in row
    assert row.endswith("in force  incident 7")
    assert f"{target} is unfrozen now." in run("unfreeze", target, "--reason", "over").ok().out
    assert db.sql("SELECT target FROM freezes WHERE lifted_at IS NULL") == []
    assert run("freeze", "--list").ok().out == "Nothing is frozen.\n"
    run("audit", "verify").ok()


def test_a_key_is_frozen_by_its_id(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    identity = run("keys", "issue", "acme/bot", "--format", "json").ok().json["id"]
    run("freeze", f"key/{identity}", "--reason", "leaked").ok()
    assert listed(run) == [(f"key/{identity}", f"key/{identity}", "in-force")]


@pytest.mark.parametrize("target", UNKNOWN)
def test_what_is_not_there_is_an_error(db: Db, folder: Path, target: str) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    meant = UNKNOWN[target]
    answer = run("freeze", target, "--reason", "x").ok(1).err
    assert "[unknown-target]" in answer
    assert (f"did you mean {meant}?" if meant else "--allow-unknown") in answer
    run("freeze", WAREHOUSE, "--reason", "x").ok()
    answer = run("unfreeze", target, "--reason", "x").ok(1).err
    assert "[unknown-target]" in answer
    assert WAREHOUSE in answer
    assert listed(run) == [(WAREHOUSE, WAREHOUSE, "in-force")]
    run("freeze", target, "--reason", "ahead of time", "--allow-unknown").ok()
    assert (target, target, "waiting") in listed(run)
    run("unfreeze", target, "--reason", "x").ok()


@pytest.mark.parametrize("command", ["freeze", "unfreeze"])
def test_a_blank_reason_is_refused(db: Db, folder: Path, command: str) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    run("freeze", WAREHOUSE, "--reason", "x" * 2000).ok()
    before = run("freeze", "--list", "--format", "json").json
    assert len(before["freezes"][0]["reason"]) == LONGEST_REASON
    target = "acme/caller/bot" if command == "freeze" else WAREHOUSE
    assert "expected a reason" in run(command, target, "--reason", " ").ok(64).err
    assert run("freeze", "--list", "--format", "json").json == before


def test_what_is_not_frozen_is_an_error(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    answer = run("unfreeze", WAREHOUSE, "--reason", "x").ok(1).err
    assert "[not-frozen]" in answer
    assert "nothing is frozen" in answer
    run("freeze", "acme/caller/bot", "--reason", "x").ok()
    assert "frozen are acme/caller/bot" in run("unfreeze", WAREHOUSE, "--reason", "x").ok(1).err


def test_a_freeze_follows_a_rename(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    run("freeze", WAREHOUSE, "--reason", "incident 7").ok()
    apply(db, folder, renamed())
    assert listed(run) == [(WAREHOUSE, "acme/connector/store", "in-force")]
    assert "acme/connector/store (frozen as acme/connector/warehouse)" in run("freeze", "--list").ok().out
    assert "was frozen already" in run("freeze", "acme/connector/store", "--reason", "x").ok().out
    for command in ("freeze", "unfreeze"):
        assert "did you mean acme/connector/store?" in run(command, WAREHOUSE, "--reason", "x").ok(1).err
    run("unfreeze", "acme/connector/store", "--reason", "over").ok()
    assert listed(run) == []


def test_a_freeze_ahead_of_time_stays_on_the_name_and_on_what_leaves_it(db: Db, folder: Path) -> None:
    gone = copy.deepcopy(WORLD)
    (folder / "none").mkdir()
    apply(db, folder, {"version": 1, "tenant": "acme", "limits": {"l": {"target": "tenant", "concurrent": 9}}})
    run = cli_on(db.url, folder)
    run("freeze", WAREHOUSE, "--reason", "not yet", "--allow-unknown").ok()
    assert listed(run) == [(WAREHOUSE, WAREHOUSE, "waiting")]
    apply(db, folder, gone)
    assert listed(run) == [(WAREHOUSE, WAREHOUSE, "in-force")]
    apply(db, folder, renamed())
    assert listed(run) == [(WAREHOUSE, "acme/connector/store", "in-force"), (WAREHOUSE, WAREHOUSE, "waiting")]
    run("unfreeze", WAREHOUSE, "--reason", "the name may be used").ok()
    assert listed(run) == [(WAREHOUSE, "acme/connector/store", "in-force")]


def test_a_tool_stays_frozen_under_another_name(db: Db, folder: Path) -> None:
    """By the template that was there, and by its name as a tool where it was frozen ahead of time."""
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    run("freeze", "acme/tool/get_sums", "--reason", "x", "--allow-unknown").ok()
    document = copy.deepcopy(WORLD)
    document["templates"]["top"]["tool_name"] = "get_sums"
    apply(db, folder, document)
    document["templates"]["top"]["tool_name"] = "get_totals"
    apply(db, folder, document)
    assert ("acme/tool/get_sums", "acme/template/top", "in-force") in listed(run)


def test_the_list_is_narrowed_to_tenants(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    for target in ("platform", WAREHOUSE, "tenant/acme"):
        run("freeze", target, "--reason", "x").ok()
    assert [one[0] for one in listed(run)] == [WAREHOUSE, "platform", "tenant/acme"]
    told = run("freeze", "--list", "--tenant", "acme", "--format", "json").ok().json["freezes"]
    assert [one["target"] for one in told] == [WAREHOUSE, "tenant/acme"]
    assert "--list takes no TARGET" in run("freeze", "platform", "--list").ok(64).err
    assert "expected TARGET" in run("freeze").ok(64).err


def test_freezes_of_an_older_database_follow_what_they_froze(db: Db, folder: Path) -> None:
    from reconciler.store.schema import upgrade
    from tests.store.support import database_of, set_up

    set_up(db, "0006")
    db.sql("INSERT INTO resources (tenant, kind, name, spec, uid) VALUES ('acme', 'connector', 'a', '{}', 'u')")
    for identity, target in (("1", "acme/connector/a"), ("2", "acme/connector/b"), ("3", "platform")):
        db.sql("INSERT INTO freezes (id, target, reason, frozen_by) VALUES (?, ?, 'x', 'ada')", [identity, target])
    upgrade(database_of(db), 10, only_empty=False)
    assert sorted(db.sql("SELECT id, tenant, uid, origin FROM freezes")) == [
        ("1", "acme", "u", "1"),
        ("2", None, None, "2"),
        ("3", None, None, "3"),
    ]


def test_lists_mention_what_is_frozen(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    assert "FROZEN" not in run("list").ok().out
    assert "Frozen:" not in run("db", "status").ok().out
    assert run("show", WAREHOUSE, "--format", "json").ok().json["frozen"] is None
    run("freeze", WAREHOUSE, "--reason", "incident 7", RECONCILER_ACTOR="ada").ok()
    apply(db, folder, renamed())
    rows = {one["address"]: one["frozen"] for one in run("list", "--format", "json").ok().json["resources"]}
    assert {address for address, frozen in rows.items() if frozen} == {"acme/connector/store"}
    assert rows["acme/connector/store"]["reason"] == "incident 7"
    (line,) = (line for line in run("list").ok().out.splitlines() if line.startswith("acme/connector/store"))
    assert line.endswith("Z by ada: incident 7")
    shown = run("show", "acme/connector/store").ok().out
    assert f"# {WAREHOUSE} is frozen since 20" in shown
    assert run("show", "acme/connector/store", "--format", "json").ok().json["frozen"]["target"] == WAREHOUSE
    assert "Frozen:   acme/connector/store (see" in run("db", "status").ok().out
    assert [one["state"] for one in run("db", "status", "--format", "json").ok().json["freezes"]] == ["in-force"]
    run("freeze", "tenant/acme", "--reason", "all of it").ok()
    assert all(one["frozen"] for one in run("list", "--format", "json").ok().json["resources"])
    assert "# tenant/acme is frozen since" in run("show", "acme/caller/bot").ok().out
