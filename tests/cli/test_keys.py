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
    for unknown in ("acme/bob", "other/bot"):
        for command in (("list",), ("revoke",), ("revoke", identity)):
            answer = run("keys", command[0], unknown, *command[1:]).ok(1).err
            assert "[unknown-caller]" in answer
            assert ("did you mean acme/bot?" in answer) is (unknown == "acme/bob")
    answer = run("keys", "revoke", BOT, identity[:-1] + "x").ok(1).err
    assert "[unknown-key]" in answer
    assert f"did you mean {identity}?" in answer
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
    del gone["callers"], gone["policies"]
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
    del gone["callers"], gone["policies"]
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


def test_keys_follow_their_caller(db: Db, folder: Path) -> None:
    """Through a rename; a caller that is made anew under the old name has none of them, in lists too."""
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    first = run("keys", "issue", BOT, "--format", "json").ok().json["id"]
    renamed = copy.deepcopy(WORLD)
    renamed["callers"]["clerk"] = renamed["callers"].pop("bot")
    apply(db, folder, {**renamed, "moved": [{"from": "caller/bot", "to": "caller/clerk"}]})
    (kept,) = run("keys", "list", "acme/clerk", "--format", "json").ok().json["keys"]
    assert (kept["id"], kept["caller"], kept["state"]) == (first, "clerk", "active")
    assert "did you mean acme/clerk?" in run("keys", "list", BOT).ok(1).err
    both = copy.deepcopy(renamed)
    both["callers"]["bot"] = both["callers"]["clerk"]
    apply(db, folder, both)
    assert run("keys", "list", BOT, "--format", "json").ok().json["keys"] == []
    assert "has no key" in run("keys", "revoke", BOT, first).ok(1).err
    second = run("keys", "issue", "acme/clerk", "--format", "json").ok().json["id"]
    assert "[too-many-keys]" in run("keys", "issue", "acme/clerk").ok(6).err
    assert sorted(run("keys", "revoke", "acme/clerk", "--format", "json").ok().json["revoked"]) == sorted(
        [first, second]
    )


def test_keys_of_a_caller_that_is_gone_have_ended(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    identity = run("keys", "issue", BOT, "--format", "json").ok().json["id"]
    gone = copy.deepcopy(WORLD)
    del gone["callers"], gone["policies"]
    apply(db, folder, gone)
    (ended,) = run("keys", "list", BOT, "--format", "json").ok().json["keys"]
    assert (ended["id"], ended["state"]) == (identity, "ended")
    assert f"Revoked the key {identity}" in run("keys", "revoke", BOT, identity).ok().out


@pytest.mark.parametrize("target", ["acme", "tenant/", "acme/limit/x", "acme/caller/", "key/x/y", "tenant/a_b"])
def test_what_can_not_be_frozen(db: Db, folder: Path, target: str) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    assert "[invalid-target]" in run("freeze", target, "--reason", "x").ok(64).err
    assert "[invalid-target]" in run("unfreeze", target, "--reason", "x").ok(64).err
    assert "--reason" in run("freeze", "platform").ok(64).err
