"""The trail of an installation whose only key is one of Vault's transit: keyed, verified, and not talked down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Db
from tests.history.test_trail import APPLY, applied, broken, verified, write
from tests.secrets.conftest import vault as vault
from tests.secrets.vault_server import TransitStore, VaultServer
from tests.store.support import Cli, cli_on


@pytest.fixture
def run(db: Db, folder: Path, vault: VaultServer) -> Cli:
    vault.transit["transit"] = TransitStore()
    vault.transit["transit"].rotate("reconciler")
    plain = cli_on(db.url, folder)
    own = {"RECONCILER_TRANSIT_KEY": "transit/reconciler", "VAULT_ADDR": vault.url, "VAULT_TOKEN": "root-token"}
    return lambda *arguments, **more: plain(*arguments, **{**own, **more})


def test_every_entry_has_a_key(db: Db, run: Cli, folder: Path, vault: VaultServer) -> None:
    applied(run, folder, 1, 2)
    run("keys", "issue", "acme/bot").ok()
    run("freeze", "acme/caller/bot", "--reason", "a test").ok()
    found = verified(run)
    assert (found["entries"], found["unkeyed"]) == (4, 0)
    ((identity, by),) = db.sql("SELECT key_id, wrapped_by FROM trail_keys")
    assert by == "transit:transit/reconciler"
    assert db.sql("SELECT DISTINCT key_id FROM audit") == [(identity,)]
    vault.transit["transit"].rotate("reconciler")
    applied(run, folder, 3)
    assert verified(run)["entries"] == 5
    run("audit", "checkpoint", "--out", "point").ok()
    assert verified(run, "--checkpoint", "point")["verdict"] == "holds"
    assert "ok       audit     5 entries" in run("db", "verify").ok().out


def test_an_entry_without_the_key_is_broken(db: Db, run: Cli, folder: Path) -> None:
    cli_on(db.url, folder)("db", "upgrade").ok()
    assert "from entry 1 on: it has no key, though one is configured" in broken(run)
    applied(run, folder, 1)
    assert verified(run)["taken_over"] == 2
    cli_on(db.url, folder)("keys", "issue", "acme/bot").ok()
    assert "from entry 3 on: it has no key, and entry 2 before it has one" in broken(run)


def test_a_key_that_was_exchanged_opens_nothing(db: Db, run: Cli, folder: Path) -> None:
    applied(run, folder, 1)
    db.sql("UPDATE trail_keys SET key_id = 't-00000000'")
    assert "[secret-damaged]" in run("audit", "verify").ok(8).err


def test_a_freeze_waits_for_no_vault(db: Db, run: Cli, folder: Path, vault: VaultServer) -> None:
    applied(run, folder, 1)
    vault.sealed = True
    run("freeze", "acme/caller/bot", "--reason", "a test").ok()
    assert run("freeze", "--list").ok().out.count("acme/caller/bot") == 1
    write(folder, 2)
    run(*APPLY).ok(7)
    vault.sealed = False
    run(*APPLY).ok()
    assert [json.loads(body)["event"] for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")] == [
        *("apply", "freeze", "apply"),
    ]
    assert verified(run)["unkeyed"] == 0


def test_reencrypt_brings_the_key_along(db: Db, run: Cli, folder: Path, vault: VaultServer) -> None:
    """To the transit key's newest version: the older one may go."""
    applied(run, folder, 1)
    vault.transit["transit"].rotate("reconciler")
    before = db.sql("SELECT key_id, wrapped FROM trail_keys")
    run("secrets", "reencrypt").ok()
    ((identity, wrapped),) = db.sql("SELECT key_id, wrapped FROM trail_keys")
    assert (identity, bytes(wrapped)[:9]) == (before[0][0], b"vault:v2:")
    vault.transit["transit"].least["reconciler"] = 2
    applied(run, folder, 2)
    assert (verified(run)["entries"], verified(run)["unkeyed"]) == (2, 0)
