"""Keys of callers and freezes: status that only their own commands change, on both databases."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.conftest import Db
from tests.runtime.worlds import WORLD, apply
from tests.store.support import cli_on

BOT = "acme/bot"


def test_issued_listed_revoked(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    issued = run("keys", "issue", BOT).ok()
    key = issued.out.strip()
    prefix, identity, secret = key.split("_", 2)
    assert (prefix, len(identity), len(secret)) == ("rk", 16, 43)
    assert "only time" in issued.err
    second = run("keys", "issue", BOT, "--format", "json").ok().json
    assert second["key"].startswith(f"rk_{second['id']}_")
    assert "[too-many-keys]" in run("keys", "issue", BOT).ok(6).err
    told = run("keys", "list", BOT).ok().out
    assert identity in told
    assert secret not in told
    assert secret not in str(db.sql("SELECT * FROM caller_keys"))
    assert f"Revoked the key {identity}" in run("keys", "revoke", BOT, identity).ok().out
    assert "was revoked already" in run("keys", "revoke", BOT, identity).ok().out
    assert "has no key to revoke" in run("keys", "revoke", "acme/other").ok().out
    states = {one["id"]: one["state"] for one in run("keys", "list", BOT, "--format", "json").ok().json["keys"]}
    assert states == {identity: "revoked", second["id"]: "active"}
    run("keys", "issue", BOT).ok()
    gone = run("keys", "revoke", BOT, "--format", "json").ok().json["revoked"]
    assert (len(gone), second["id"] in gone) == (2, True)
    run("audit", "verify").ok()
    assert [n for (n,) in db.sql("SELECT n FROM status_counter")] >= [4]


def test_a_rollback_revives_no_key(db: Db, folder: Path) -> None:
    """Also where the caller itself comes back: by its uid, as the same life."""
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    identity = run("keys", "issue", BOT, "--format", "json").ok().json["id"]
    run("keys", "revoke", BOT, identity).ok()
    gone = copy.deepcopy(WORLD)
    del gone["callers"]
    apply(db, folder, gone)
    run("rollback", "1", "--auto-approve", "--allow-deletes", "9").ok()
    states = [one["state"] for one in run("keys", "list", BOT, "--format", "json").ok().json["keys"]]
    assert states == ["revoked"]


def test_a_caller_that_is_made_anew_has_no_key(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    run("keys", "issue", BOT).ok()
    run("keys", "issue", BOT).ok()
    gone = copy.deepcopy(WORLD)
    del gone["callers"]
    apply(db, folder, gone)
    assert "[unknown-caller]" in run("keys", "issue", BOT).ok(6).err
    apply(db, folder, WORLD)
    run("keys", "issue", BOT).ok()  # the keys of its former life don't count


@pytest.mark.parametrize("caller", ["bot", "acme/Bot", "acme/bot/x", ""])
def test_names_that_are_none(db: Db, folder: Path, caller: str) -> None:
    apply(db, folder, WORLD)
    assert "expected TENANT/CALLER" in cli_on(db.url, folder)("keys", "issue", caller).ok(64).err


def test_who_proves_itself_otherwise_has_no_keys(db: Db, folder: Path) -> None:
    document = copy.deepcopy(WORLD)
    document["callers"]["bot"]["auth"] = {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}}}
    apply(db, folder, document)
    assert "[no-api-key]" in cli_on(db.url, folder)("keys", "issue", BOT).ok(6).err


TARGETS = (
    "platform",
    "tenant/acme",
    "key/0123456789abcdef",
    "acme/caller/bot",
    "acme/connector/warehouse",
    "acme/tool/github__create-issue",
)


@pytest.mark.parametrize("target", TARGETS)
def test_frozen_and_lifted(db: Db, folder: Path, target: str) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    assert f"{target} is frozen now." in run("freeze", target, "--reason", "incident 7").ok().out
    assert f"{target} was frozen already." in run("freeze", target, "--reason", "again").ok().out
    assert db.sql("SELECT target, reason FROM freezes WHERE lifted_at IS NULL") == [(target, "incident 7")]
    assert f"{target} is unfrozen now." in run("unfreeze", target, "--reason", "over").ok().out
    assert db.sql("SELECT target FROM freezes WHERE lifted_at IS NULL") == []
    run("audit", "verify").ok()


@pytest.mark.parametrize(
    "target", ["acme", "tenant/", "acme/limit/x", "acme/caller/", "key/x/y", "tenant/a_b", "acme/tool/a"]
)
def test_what_can_not_be_frozen(db: Db, folder: Path, target: str) -> None:
    apply(db, folder, WORLD)
    answer = cli_on(db.url, folder)("freeze", target, "--reason", "x")
    if target == "acme/tool/a":
        answer.ok()  # a template's tool
    else:
        assert "[invalid-target]" in answer.ok(64).err
    assert "--reason" in cli_on(db.url, folder)("freeze", "platform").ok(64).err
