"""Whole command lines against a Vault: what they resolve, what they say of what they can't, and how often they log in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Ran, reconciler
from tests.secrets.test_vault_login import approle, logins
from tests.secrets.vault_server import TRICKLE, Token, TransitStore, VaultServer

MANIFEST = """\
version: 1
tenant: acme
integrations:
"""


def integrations(**credentials: str) -> str:
    lines = [
        f"  {name}: {{provider: openai, models: [gpt-4o], credential: '{text}'}}\n"
        for name, text in credentials.items()
    ]
    return MANIFEST + "".join(lines)


class Shell:
    def __init__(self, folder: Path, vault: VaultServer) -> None:
        self.folder = folder
        self.env = {
            "RECONCILER_DATABASE_URL": f"sqlite:///{folder}/state.db",
            "RECONCILER_PROJECT": "shop",
            "VAULT_ADDR": vault.url,
            "VAULT_TOKEN": "root-token",
            "HOME": str(folder),
        }

    def write(self, **credentials: str) -> None:
        (self.folder / "acme.yaml").write_text(integrations(**credentials))

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> Ran:
        return reconciler(*arguments, cwd=self.folder, env={**self.env, **env}, stdin=stdin)


@pytest.fixture
def shell(vault: VaultServer, tmp_path: Path) -> Shell:
    return Shell(tmp_path, vault)


def test_every_reference_that_does_not_resolve_is_told_at_its_line(vault: VaultServer, shell: Shell) -> None:
    vault.tokens["narrow"] = Token(below=("kv/data/acme/openai", "kv/data/acme/gone"))
    shell.write(
        good="vault://kv/acme/openai#api_key",
        gone="vault://kv/acme/gone#api_key",
        other="vault://kv/acme/other#api_key",
        key="vault://kv/acme/openai#nothing",
    )
    done = shell("validate", "--check", VAULT_TOKEN="narrow").ok(7)
    for line, words in ((5, "no such secret"), (6, "does not permit it"), (7, "no key nothing")):
        assert f"acme.yaml:{line}:" in done.err
        assert words in done.err
    assert "acme.yaml:4:" not in done.err
    assert "sk-" not in done.text
    assert "narrow" not in done.text
    shell.write(good="vault://kv/acme/openai#api_key", foreign="vault://kv/globex/openai#api_key")
    foreign = shell("validate", "--check", VAULT_TOKEN="narrow").ok(3)
    assert ("acme.yaml:5:" in foreign.err, "outside" in foreign.err) == (True, True)
    assert not any("globex" in path for path in vault.paths), "a foreign reference is not even asked for"


def test_a_store_that_drips_ends_a_command_in_time(vault: VaultServer, shell: Shell) -> None:
    (shell.folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nsecrets: {timeout_seconds: 1}\n")
    shell.write(**{f"i{number}": f"vault://kv/acme/k{number}#key" for number in range(30)})
    vault.orders_next(TRICKLE, times=999)
    done = shell("validate", "--check").ok(7)  # 30 s for each of them, otherwise
    assert done.err.count("secret-store-unreachable") == 30


def test_transit_keeps_secrets_and_logs_in_once(vault: VaultServer, shell: Shell) -> None:
    approle(vault)
    vault.transit["teams/transit"] = TransitStore()
    vault.transit["teams/transit"].rotate("reconciler")
    shell.env |= {"VAULT_TOKEN": "", "VAULT_ROLE_ID": "role-id-1", "VAULT_SECRET_ID": "secret-id-1"}
    shell.env["RECONCILER_TRANSIT_KEY"] = "teams/transit/reconciler"
    shell("db", "upgrade").ok()
    for number in range(2):
        done = shell("secrets", "set", f"acme/k{number}", stdin=f"sk-of-the-command-{number}").ok()
        assert "sk-of" not in done.text
    shell.write(**{f"k{number}": f"encrypted://k{number}" for number in range(2)})
    vault.seen.clear()
    shell("validate", "--check").ok()
    # the key of the audit trail, and a data key for each secret
    assert sorted(vault.paths) == ["/v1/auth/approle/login", *["/v1/teams/transit/decrypt/reconciler"] * 3]
    assert logins(vault) == 1
    vault.sealed = True
    done = shell("validate", "--check").ok(7)
    assert "sealed" in done.err
    assert "sk-of" not in done.text
    assert "secret-id-1" not in done.text


def test_a_new_version_of_a_transit_key_takes_over_every_secret(vault: VaultServer, shell: Shell) -> None:
    store = vault.transit["teams/transit"] = TransitStore()
    store.rotate("reconciler")
    shell.env["RECONCILER_TRANSIT_KEY"] = "teams/transit/reconciler"
    shell("secrets", "set", "acme/k", stdin="sk-of-the-command").ok()
    assert shell("secrets", "reencrypt", "--format", "json").ok().json["rewrapped"] == 0
    store.rotate("reconciler")
    assert shell("secrets", "reencrypt", "--format", "json").ok().json["rewrapped"] == 1
    keys = shell("secrets", "keys", "list", "--format", "json").ok().json["keys"]
    assert {
        key["key"].rpartition(":")[2]: (key["state"], key["secrets"]) for key in keys if "v" in key["key"][-3:]
    } == {
        "v1": ("in Vault", 0),
        "v2": ("in Vault", 1),
    }
    shell.write(k="encrypted://k")
    shell("validate", "--check").ok()
