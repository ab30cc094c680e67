"""Accesses to Vault and Secrets Manager: in the audit trail like those to secrets of the database, counted by the hour."""

from __future__ import annotations

from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.accesses import Accesses

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
