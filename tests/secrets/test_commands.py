"""`secrets set|rotate|delete|list|expiring|access-log|keys` on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from reconciler.secrets.keys import read_keys
from tests.conftest import reconciler
from tests.secrets.support import VALUE, Kept, clear


def test_a_life_of_a_secret(kept: Kept) -> None:
    made = kept.process("set", "acme/openai", "--type", "api_key", "--rotate-every", "90", stdin=f"{VALUE}\n").ok()
    key = kept.ring.primary.key_id
    assert made.out == f"Kept acme/openai, sealed with {key}. Manifests of acme refer to it as encrypted://openai\n"
    assert kept.value("openai") == VALUE
    again = kept("rotate", "acme/openai", "--description", "Of the billing account", stdin=f"{VALUE}-2\r\n").ok()
    assert again.out.startswith(f"Kept version 2 of acme/openai, sealed with {key}.")
    assert kept.value("openai") == f"{VALUE}-2"
    (listed,) = kept("list", "--format", "json").ok().json["secrets"]
    moments = [listed.pop(name) for name in ("created_at", "changed_at", "rotate_by")]
    assert all(datetime.fromisoformat(moment).utcoffset() == timedelta(0) for moment in moments)
    uid = listed.pop("uid")
    assert listed == {
        "tenant": "acme",
        "name": "openai",
        "version": 2,
        "type": "api_key",
        "description": "Of the billing account",
        "key_id": key,
        "created_by": "tester",
        "changed_by": "tester",
        "expires_at": None,
        "rotate_days": 90,
        "reference": "encrypted://openai",
    }
    gone = kept("delete", "acme/openai", "--auto-approve", "--format", "json").ok().json
    assert (gone["deleted"], gone["secret"]["uid"]) == (True, uid)
    assert kept("list").ok().out == "There are no secrets.\n"
    assert kept.events() == ["set", "access", "rotate", "access", "delete"]
    kept("set", "acme/openai", stdin=VALUE).ok()
    (listed,) = kept("list", "--format", "json").ok().json["secrets"]
    assert (listed["version"], listed["uid"] != uid, listed["type"]) == (1, True, "custom")


def test_the_lists(kept: Kept) -> None:
    for name in ("globex/b", "acme/a-b", "acme/a1", "acme/ab"):
        kept("set", name, stdin=VALUE, RECONCILER_ACTOR="eve\x1b[31m\n").ok()
    lines = kept("list").ok().out.splitlines()
    assert lines[0].split() == ["SECRET", "TYPE", "VERSION", "CHANGED", "BY", "EXPIRES", "KEY"]
    assert [line.split()[0] for line in lines[1:]] == ["acme/a-b", "acme/a1", "acme/ab", "globex/b"]
    assert "\x1b" not in kept("list").out + kept("access-log").out
    assert len(kept("list", "--tenant", "globex", "--tenant", "globex").ok().out.splitlines()) == 2
    for command in ("list", "expiring"):  # a tenant that nothing knows is a typing error
        assert "did you mean globex?" in kept(command, "--tenant", "globx").ok(64).err
    assert "did you mean globex?" in kept("access-log", "--tenant", "globx").ok().err  # it may have been there
    assert "did you mean globex/b?" in kept("access-log", "globex/bb").ok().err
    assert "did you mean acme/ab?" in kept("delete", "acme/abb", "--auto-approve").ok(64).err
    log = kept("access-log", "--limit", "2").ok().out.splitlines()
    assert log[0].split() == ["AT", "EVENT", "SECRET", "VERSION", "ACTOR", "PURPOSE"]
    assert [line.split()[2] for line in log[1:]] == ["acme/ab", "acme/a1"]  # the newest first
    entries = kept("access-log", "globex/b", "--format", "json").ok().json
    assert (entries["format_version"], [entry["name"] for entry in entries["entries"]]) == ("1.0", ["b"])
    assert "tells of no secret" in kept("access-log", "acme/none").ok().out
    keys = kept("keys", "list").ok().out.splitlines()
    assert [line.split() for line in keys] == [
        ["KEY", "STATE", "WRAPS", "SECRETS"],
        [kept.ring.primary.key_id, "primary", "4", "4"],
    ]


def test_states_of_keys(kept: Kept) -> None:
    first = kept.ring.primary.key_id
    kept("set", "acme/one", stdin=VALUE).ok()
    added = kept("keys", "add").ok().out
    second = next(key for key in kept.key_states() if key != first)
    assert added.startswith(f"Added {second} to {kept.key_file}, decrypt-only.")
    assert f"`reconciler secrets keys promote {second}`" in added
    clear(kept("keys", "retire", first), 6, "key-primary")
    clear(kept("keys", "promote", "k-none"), 64, "unknown-key")
    clear(kept("keys", "retire", "k-none"), 64, "unknown-key")
    assert kept("keys", "promote", second, "--format", "json").ok().json["state"] == "primary"
    assert {key: row["state"] for key, row in kept.key_states().items()} == {first: "decrypt-only", second: "primary"}
    assert "still holds 1 secret" in clear(kept("keys", "retire", first), 6, "key-in-use").err
    assert kept("reencrypt").ok().out == f"Re-wrapped 1 secret; all are under {second}.\n"
    assert kept("keys", "retire", first).ok().out.startswith(f"{first} is retired: ")
    kept("keys", "retire", first).ok()
    clear(kept("keys", "promote", first), 6, "key-retired")
    assert kept.value("one") == VALUE
    assert [(row["state"], row["wraps"], row["secrets"]) for row in kept.key_states().values()] == [
        (state, 1, int(state == "primary"))
        for state in ("retired" if key == first else "primary" for key in kept.key_states())
    ]
    other = kept.folder / "other.json"
    kept("keys", "create", "--out", str(other)).ok()
    states = {
        row["state"] for row in kept("keys", "list", "--format", "json", RECONCILER_KEY_FILE=str(other)).json["keys"]
    }
    assert states == {"primary", "not known here", "retired"}


def test_no_key(kept: Kept, tmp_path: Path) -> None:
    for arguments in (
        ("set", "acme/one"),
        ("reencrypt",),
        ("keys", "add"),
        ("keys", "promote", "k"),
        ("keys", "retire", "k"),
    ):
        said = clear(kept(*arguments, stdin=VALUE, RECONCILER_KEY_FILE=""), 6, "key-missing").err
        assert "`reconciler secrets keys create --out FILE`" in said
    assert "keys create --out FILE" in kept("keys", "list", RECONCILER_KEY_FILE="").ok().out
    assert kept("list", RECONCILER_KEY_FILE="").ok().out == "There are no secrets.\n"
    missing = kept("set", "acme/one", stdin=VALUE, RECONCILER_KEY_FILE=str(tmp_path / "none"))
    assert "keys create --out FILE" in clear(missing, 1, "key-not-read").err
    kept.key_file.chmod(0o644)
    assert "chmod 600" in clear(kept("set", "acme/one", stdin=VALUE), 6, "key-permissions").err


def test_what_is_not_there(kept: Kept) -> None:
    for command in ("rotate", "delete"):
        clear(kept(command, "acme/none", stdin=VALUE), 64, "unknown-secret")


def test_what_ends_and_what_is_due(kept: Kept) -> None:
    for name, more in {
        "soon": ("--expires", "10"),
        "later": ("--expires", "40"),
        "due": ("--rotate-every", "20"),
        "both": ("--expires", "25", "--rotate-every", "15"),
        "never": (),
    }.items():
        kept("set", f"acme/{name}", *more, stdin=VALUE).ok()
    found = kept("expiring", "--format", "json").ok().json["secrets"]
    assert [(one["name"], one["reason"]) for one in found] == [
        ("soon", "expires"),
        ("both", "rotation due"),
        ("due", "rotation due"),
    ]
    lines = kept("expiring", "--days", "50").ok().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["acme/soon", "acme/both", "acme/due", "acme/later"]
    assert kept("expiring", "--days", "1").ok().out == "Nothing ends, and no new value is due, within 1 days.\n"
    kept("rotate", "acme/soon", stdin=VALUE).ok()  # the end of the old value says nothing of the new one
    kept.db.sql("UPDATE secrets SET changed_at = '2020-01-01T00:00:00Z' WHERE name = 'due'")
    found = kept("expiring", "--format", "json").ok().json["secrets"]
    assert [(one["name"], one["reason"]) for one in found] == [("due", "rotation overdue"), ("both", "rotation due")]
    assert found[0]["due"] == "2020-01-21T00:00:00+00:00"


def test_deleting_what_is_in_use(kept: Kept) -> None:
    (kept.folder / "acme.yaml").write_text(
        'version: 1\ntenant: acme\nconnectors:\n  w: {type: sql, dialect: postgresql, dsn: "encrypted://one"}\n'
        '  v: {type: sql, dialect: postgresql, dsn: "encrypted://one-more", description: "not encrypted://one"}\n'
    )
    kept("set", "acme/one", stdin=VALUE).ok()
    kept("set", "globex/one", stdin=VALUE).ok()
    reconciler("apply", "--auto-approve", cwd=kept.folder, env=kept.environment({})).ok()
    said = clear(kept("delete", "acme/one", "--auto-approve"), 6, "secret-in-use")
    assert "acme/one is in use by acme/connector/w\n" in said.err
    assert "--allow-referenced" in said.err
    assert kept.value("one") == VALUE
    kept("delete", "globex/one", "--auto-approve").ok()
    clear(kept("delete", "acme/one", "--allow-referenced"), 6, "approval-impossible")
    assert kept.value("one") == VALUE
    assert kept("delete", "acme/one", "--auto-approve", "--allow-referenced").ok().out == "Destroyed acme/one.\n"


def test_a_key_that_no_other_secret_knows_is_refused_where_nobody_is_asked(kept: Kept) -> None:
    kept("set", "acme/one", stdin=VALUE).ok()
    other = str(kept.folder / "other")
    kept("keys", "create", "--out", other).ok()
    for name in ("acme/one", "acme/two", "globex/one"):
        refused = kept("set", name, stdin=VALUE, RECONCILER_KEY_FILE=other).ok(6)
        assert "[key-new]" in refused.err
        assert "--allow-new-key" in refused.err
    kept("set", "acme/two", "--allow-new-key", stdin=VALUE, RECONCILER_KEY_FILE=other).ok()
    kept("set", "acme/three", stdin=VALUE, RECONCILER_KEY_FILE=other).ok()


def test_a_key_beside_the_one_that_secrets_know_is_a_rotation(kept: Kept) -> None:
    kept("set", "acme/one", stdin=VALUE).ok()
    kept("keys", "add").ok()
    new = next(key for key in read_keys(kept.key_file).by_id if key != kept.ring.primary.key_id)
    kept("keys", "promote", new).ok()
    kept("set", "acme/two", stdin=VALUE).ok()
