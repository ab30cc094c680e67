"""Accesses to Vault and Secrets Manager: in the audit trail like those to secrets of the database, counted by the hour."""

from __future__ import annotations

import json

import pytest

from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.accesses import Accesses
from tests.conftest import Ran, reconciler
from tests.secrets.support import Kept
from tests.secrets.test_access import break_trail
from tests.secrets.vault_server import VaultServer

VAULT = SecretRef.parse("vault://kv/acme/openai#key")
AWS = SecretRef.parse("aws-sm://acme/openai")


class Clock:
    now = 3600.0 * 10

    def __call__(self) -> float:
        return self.now


def test_an_hour_leaves_two_entries_at_most_and_counts_add_up() -> None:
    clock = Clock()
    accesses = Accesses(clock)
    accesses.count("acme", VAULT)
    assert accesses.take() == [("acme", str(VAULT), 1)]
    for _ in range(5):
        accesses.count("acme", VAULT)
    accesses.count("acme", AWS)
    assert accesses.take() == [("acme", str(AWS), 1)]
    clock.now += 3600
    assert accesses.take() == [("acme", str(VAULT), 5)]
    assert accesses.take() == []


def test_tenants_are_counted_apart() -> None:
    accesses = Accesses()
    for tenant in ("globex", "acme", "acme"):
        accesses.count(tenant, VAULT)
    assert [(one.tenant, one.times) for one in accesses.take()] == [("acme", 2), ("globex", 1)]


def test_the_end_of_a_process_takes_everything() -> None:
    accesses = Accesses()
    accesses.count("acme", VAULT)
    accesses.take()
    accesses.count("acme", VAULT)
    assert accesses.take() == []
    assert [one.times for one in accesses.take(everything=True)] == [1]


def test_what_could_not_be_written_is_counted_on() -> None:
    accesses = Accesses()
    accesses.count("acme", VAULT)
    accesses.give_back(accesses.take())
    accesses.count("acme", VAULT)
    assert [one.times for one in accesses.take()] == [2]


MANIFEST = """version: 1
tenant: acme
integrations:
  a: {provider: openai, credential: "vault://kv/acme/openai#api_key"}
  b: {provider: openai, credential: "vault://kv/acme/other#token"}
"""


@pytest.fixture
def checking(kept: Kept, vault: VaultServer) -> dict[str, str]:
    vault.put("kv", "acme/other", token="sk-other-value-2")
    (kept.folder / "acme.yaml").write_text(MANIFEST)
    return {"VAULT_ADDR": vault.url, "VAULT_TOKEN": "root-token"}


def resolves(kept: Kept) -> list[dict[str, object]]:
    bodies = [json.loads(body) for (body,) in kept.db.sql("SELECT body FROM audit ORDER BY seq")]
    return [body for body in bodies if body["event"] == "secret-resolve"]


def check(kept: Kept, env: dict[str, str]) -> Ran:
    return reconciler("validate", "--check", cwd=kept.folder, env=kept.environment(env))


def test_a_check_leaves_an_entry_for_each_reference(kept: Kept, checking: dict[str, str]) -> None:
    check(kept, checking).ok()
    entries = resolves(kept)
    assert [(one["tenant"], one["reference"], one["times"], one["purpose"]) for one in entries] == [
        ("acme", "vault://kv/acme/openai#api_key", 1, "check"),
        ("acme", "vault://kv/acme/other#token", 1, "check"),
    ]
    shown = kept("access-log").ok().out
    assert "resolve  acme vault://kv/acme/openai#api_key" in shown
    assert "sk-first-value-1" not in json.dumps(entries) + shown
    reconciler("audit", "verify", cwd=kept.folder, env=kept.environment({})).ok()


def test_a_check_that_can_not_write_it_says_so(kept: Kept, checking: dict[str, str]) -> None:
    break_trail(kept.db)
    assert "Warning: what was asked of stores of secrets is not in the audit trail" in check(kept, checking).ok().err


def test_without_a_database_there_is_no_trail(kept: Kept, checking: dict[str, str]) -> None:
    url = f"sqlite:///{kept.folder}/none.db"
    check(kept, {**checking, "RECONCILER_DATABASE_URL": url}).ok()
    assert not (kept.folder / "none.db").exists()
