"""A key of Vault's transit engine wraps data keys: bound to their place, through rotations, and through trouble."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import pytest

from reconciler.errors import CredentialUnresolved, IntegrityFailed, UsageError
from reconciler.secrets.envelope import Bound, rewrap, seal, unseal
from reconciler.secrets.fetch import TRIES, Unreachable
from reconciler.secrets.keys import Keys
from reconciler.secrets.ring import ring_of
from reconciler.secrets.transit import TransitKey
from tests.secrets.stores import outside, refused
from tests.secrets.support import VALUE, Kept
from tests.secrets.vault_server import SLOW_HEADERS, TRICKLE, Token, TransitStore, VaultServer, resets, says

DATA_KEY = bytes(range(32))
BOUND = Bound("acme", "uid-1", 1, "openai")


@pytest.fixture
def store(vault: VaultServer) -> TransitStore:
    vault.transit["teams/transit"] = TransitStore()
    vault.transit["teams/transit"].rotate("reconciler")
    return vault.transit["teams/transit"]


@pytest.fixture
def key(vault: VaultServer, store: TransitStore) -> TransitKey:
    return TransitKey("teams/transit/reconciler", outside(vault))


def test_what_was_wrapped_is_unwrapped(vault: VaultServer, key: TransitKey) -> None:
    wrapped = key.wrap(DATA_KEY, b"here")
    assert key.key_id == "transit:teams/transit/reconciler"
    assert wrapped.startswith(b"vault:v1:")
    assert key.unwrap(wrapped, b"here") == DATA_KEY
    # first of all it is looked whether there is such a key
    asked = ["decrypt", "encrypt", "decrypt"]
    assert vault.paths == [f"/v1/teams/transit/{what}/reconciler" for what in asked]
    assert json.loads(vault.seen[1].body)["associated_data"] == base64.b64encode(b"here").decode()


def test_old_keys_open_and_do_not_wrap(vault: VaultServer, store: TransitStore, key: TransitKey) -> None:
    """From a transit key to a file's, and to another transit key."""
    store.rotate("next")
    file, other = Keys({"k-1": b"1" * 32}, "k-1"), TransitKey("teams/transit/next", outside(vault))
    blob = seal("sk-the-value-itself", BOUND, key)
    for own, transit in ((file, None), (None, other)):
        without, both = ring_of(own, transit), ring_of(own, transit, [key])
        assert without is not None
        assert both is not None
        refused(lambda ring=without: unseal(blob, BOUND, ring.by_id), IntegrityFailed, code="key-unknown")  # type: ignore[misc]
        moved = rewrap(blob, BOUND, both.by_id, both.primary)
        assert unseal(moved, BOUND, without.by_id) == "sk-the-value-itself"


def test_only_data_keys_are_sent_never_a_value(vault: VaultServer, key: TransitKey) -> None:
    blob = seal("sk-the-value-itself", BOUND, key)
    assert unseal(blob, BOUND, lambda _: key) == "sk-the-value-itself"
    sent = b"".join(request.body for request in vault.seen)
    assert b"sk-the-value" not in sent
    assert base64.b64encode(b"sk-the-value-itself") not in sent


@pytest.mark.parametrize(
    "moved",
    [BOUND._replace(**one) for one in ({"tenant": "globex"}, {"uid": "uid-2"}, {"version": 2}, {"name": "other"})],
    ids=str,
)
def test_what_was_moved_does_not_unwrap(key: TransitKey, moved: Bound) -> None:
    blob = seal("sk-the-value-itself", BOUND, key)
    refused(lambda: unseal(blob, moved, lambda _: key), IntegrityFailed, code="secret-damaged")


def test_through_rotations(store: TransitStore, key: TransitKey) -> None:
    old = key.wrap(DATA_KEY, b"here")
    store.rotate("reconciler")
    new = key.wrap(DATA_KEY, b"here")
    assert (old[:9], new[:9]) == (b"vault:v1:", b"vault:v2:")
    assert key.unwrap(old, b"here") == key.unwrap(new, b"here") == DATA_KEY
    store.least["reconciler"] = 2
    refused(lambda: key.unwrap(old, b"here"), CredentialUnresolved, "min_decryption_version")
    assert key.unwrap(new, b"here") == DATA_KEY
    del store.versions["reconciler"][1:]
    refused(lambda: key.unwrap(new, b"here"), CredentialUnresolved, "older copy")
    del store.versions["reconciler"]
    refused(lambda: key.unwrap(new, b"here"), CredentialUnresolved, "no such key", code="secret-store-refused")
    refused(lambda: key.wrap(DATA_KEY, b"here"), CredentialUnresolved, "no such key", "keys create --transit")


@pytest.mark.parametrize(
    "wrapped",
    [b"", b"\xff", b"text", b"vault:v1:", b"vault:v1:!!", b"vault:v1:" + base64.b64encode(bytes(60)), b"vault:vx:AAAA"],
)
def test_a_damaged_text_is_damaged(key: TransitKey, wrapped: bytes) -> None:
    refused(lambda: key.unwrap(wrapped, b"here"), IntegrityFailed, code="secret-damaged")


@pytest.mark.parametrize("status", [400, 500])
def test_a_damaged_text_as_some_releases_tell_it(vault: VaultServer, key: TransitKey, status: int) -> None:
    said = {"errors": ["1 error occurred:\n\t* cipher: message authentication failed\n\n"]}
    vault.orders_next(says(status, said))
    refused(lambda: key.unwrap(b"vault:v1:AAAA", b"here"), IntegrityFailed, code="secret-damaged")
    assert len(vault.seen) == 1


def test_a_login_that_is_refused_is_no_damage(vault: VaultServer, store: TransitStore) -> None:
    """Vault answers 400 to a wrong role id too."""
    vault.orders_next(says(400, {"errors": ["invalid role or secret ID"]}), times=9, where="/v1/auth/")
    key = TransitKey("teams/transit/reconciler", outside(vault, TOKEN="", ROLE_ID="role"))
    refused(lambda: key.unwrap(b"vault:v1:AAAA", b"here"), Unreachable, "refuses the login")


def test_denied(vault: VaultServer, store: TransitStore) -> None:
    vault.tokens["narrow"] = Token(below=("kv/",))
    key = TransitKey("teams/transit/reconciler", outside(vault, TOKEN="narrow"))
    refused(lambda: key.wrap(DATA_KEY, b""), CredentialUnresolved, "does not permit it", code="secret-store-denied")


@pytest.mark.parametrize("order", [says(500), says(503), says(429), resets])
def test_trouble_is_no_damage(vault: VaultServer, key: TransitKey, order: Any) -> None:
    wrapped = key.wrap(DATA_KEY, b"here")
    vault.orders_next(order, times=TRIES - 1)
    assert key.unwrap(wrapped, b"here") == DATA_KEY
    vault.orders_next(order, times=TRIES)
    refused(lambda: key.unwrap(wrapped, b"here"), Unreachable)


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"[" * 100_000,
        [],
        {},
        {"data": None},
        {"data": {"ciphertext": None, "plaintext": None}},
        {"data": {"ciphertext": 7, "plaintext": 7}},
        {"data": {"ciphertext": "", "plaintext": "!!"}},
        {"data": {"ciphertext": "é", "plaintext": "é"}},
        {"data": {"ciphertext": "v" * 70_000, "plaintext": "AAA"}},
    ],
    ids=lambda body: repr(body)[:50],
)
def test_an_answer_of_another_shape(vault: VaultServer, key: TransitKey, body: Any) -> None:
    vault.orders_next(says(200, body), times=3)  # one for the look at whether there is such a key
    refused(lambda: key.wrap(DATA_KEY, b"here"), Unreachable, "not as Vault's API promises")
    refused(lambda: key.unwrap(b"vault:v1:AAAA", b"here"), Unreachable, "not as Vault's API promises")


def test_a_server_that_gives_another_key_is_found_out(vault: VaultServer, key: TransitKey) -> None:
    blob = seal("sk-the-value-itself", BOUND, key)
    for other in (os.urandom(32), b"", bytes(31), bytes(33)):
        vault.orders_next(says(200, {"data": {"plaintext": base64.b64encode(other).decode()}}))
        refused(lambda: unseal(blob, BOUND, lambda _: key), IntegrityFailed, code="secret-damaged")


@pytest.mark.parametrize("order", [SLOW_HEADERS, TRICKLE], ids=["headers", "body"])
def test_a_server_that_drips_is_given_up_in_time(vault: VaultServer, store: TransitStore, order: Any) -> None:
    vault.orders_next(order, times=9)
    key = TransitKey("teams/transit/reconciler", outside(vault, timeout=0.5))
    began = time.monotonic()
    refused(lambda: key.wrap(DATA_KEY, b"here"), Unreachable)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "name", ["", "reconciler", "/reconciler", "transit/", "a//b", "a/../b", "a/b?c=d", "a/b\n", "é/b"]
)
def test_a_name_that_is_none(vault: VaultServer, name: str) -> None:
    with pytest.raises(UsageError):
        TransitKey(name, outside(vault))


def test_reencrypt_goes_from_transit_to_a_file_and_back(here: Kept, vault: VaultServer, store: TransitStore) -> None:
    environ = {name: value for name, value in outside(vault).environ.items() if value}
    transit = {**environ, "RECONCILER_TRANSIT_KEY": "teams/transit/reconciler"}
    here("set", "acme/openai", stdin=VALUE, **transit).ok()
    assert "key-unknown" in here("reencrypt").ok(8).err
    old = {**environ, "RECONCILER_TRANSIT_OLD": "teams/transit/reconciler"}
    assert "Re-wrapped 1 secret" in here("reencrypt", **old).ok().out
    assert here.value("openai") == VALUE
    assert "Re-wrapped 1 secret" in here("reencrypt", **transit).ok().out
