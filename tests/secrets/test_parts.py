"""Secrets of all eight types are usable: whole, and by their parts; what ends is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from tests.conftest import Ran, reconciler
from tests.secrets.stores import ask, fetcher, refused
from tests.secrets.support import Kept
from tests.secrets.test_values import certificate, private_key, written
from tests.secrets.vault_server import VaultServer, says

OWN = Ed25519PrivateKey.generate()
CERTIFICATE, KEY = certificate(datetime(2031, 5, 6, tzinfo=UTC), OWN), written(OWN)
PUBLIC = OWN.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
DATABASE = {"username": "me@x", "password": "p:w/d 1", "host": "db.example", "port": "5433", "database": "shop"}
VALUES: list[tuple[str, str, dict[str, str]]] = [
    ("api_key", "sk-1-9fQz7", {}),
    ("bearer_token", "eyJ.a.b.c-of-nobody", {}),
    ("oauth", '{"client_id": "a", "client_secret": "b-1", "n": 7, "d": 1.10, "list": [1]}',
     {"client_id": "a", "client_secret": "b-1", "n": "7", "d": "1.10"}),
    ("database", "postgresql://me%40x:p%3Aw%2Fd%201@db.example:5433/shop?sslmode=require", DATABASE),
    ("database", "host=db.example port=5433 user=me@x password='p:w/d 1' dbname=shop", DATABASE),
    ("database", "Server=db.example;Port=5433;User Id=me@x;Password={p:w/d 1};Database=shop", DATABASE),
    ("basic_auth", "me:pass:word-1", {"username": "me", "password": "pass:word-1"}),
    ("ssh_key", KEY, {"private_key": KEY, "public_key": PUBLIC}),
    ("certificate", CERTIFICATE + KEY, {"certificate": CERTIFICATE, "private_key": KEY}),
    ("custom", '{"pin": 12345678901234567890, "yes": true}', {"pin": "12345678901234567890"}),
    ("custom", "anything at all", {}),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "value", "parts"), VALUES)
def test_a_secret_is_usable_whole_and_in_parts(here: Kept, type_: str, value: str, parts: dict[str, str]) -> None:
    here("set", "acme/one", "--type", type_, stdin=value).ok()
    opened = here.opener()
    assert opened("acme", SecretRef.parse("encrypted://one")).secret.reveal() == value
    found = {name: opened("acme", SecretRef.parse(f"encrypted://one#{name}")).secret.reveal() for name in parts}
    assert found == parts
    for name in ("other", "list", "yes"):
        text = refused(lambda name=name: opened("acme", SecretRef.parse(f"encrypted://one#{name}")),
                       CredentialUnresolved, f"encrypted://one#{name}", type_, f"no part {name}")  # fmt: skip
        assert value not in text


@pytest.mark.parametrize(("value", "text"), [("7", "7"), ("1.10", "1.10"), ("1e3", "1e3"), ("9" * 30, "9" * 30)])
def test_a_number_of_vault_is_text_as_it_was_written(vault: VaultServer, value: str, text: str) -> None:
    answer = f'{{"data": {{"data": {{"key": {value}}}, "metadata": {{"version": 1}}}}}}'
    vault.orders_next(says(200, answer.encode()), where="/v1/kv/data/")
    assert ask(fetcher(vault), "vault://kv/acme/odd#key").secret.reveal() == text


MANIFEST = """version: 1
tenant: acme
connectors:
  w: {type: sql, dialect: postgresql, dsn: "encrypted://db"}
  h:
    type: http
    base_url: https://api.example.com
    auth: {type: basic, username: me, password: "encrypted://login#password"}
"""


def command(kept: Kept, *arguments: str) -> Ran:
    return reconciler(*arguments, cwd=kept.folder, env=kept.environment({}))


def test_a_part_is_checked_and_keeps_its_secret_from_deletion(here: Kept) -> None:
    (here.folder / "acme.yaml").write_text(MANIFEST)
    here("set", "acme/db", "--type", "database", stdin="postgresql://me:s3cr3t-of-db@host/db").ok()
    here("set", "acme/login", "--type", "api_key", stdin="sk-live-of-nobody").ok()
    said = command(here, "validate", "--check").ok(7)
    assert "encrypted://login#password does not resolve: the secret of the type api_key has no part" in said.err
    here("set", "acme/login", "--type", "basic_auth", stdin="me:s3cr3t-of-me").ok()
    command(here, "plan", "--check").ok(0)
    command(here, "apply", "--check", "--auto-approve").ok()
    assert "in use by acme/connector/h" in here("delete", "acme/login", "--auto-approve").ok(6).err
    shown = here("show", "acme/login").ok().out
    assert "acme/connector/h" in shown
    assert "username, password" in shown
    assert "s3cr3t-of-me" not in shown
    assert here("show", "acme/db", "--format", "json").ok().json["secret"]["used_by"] == ["acme/connector/w"]


def test_a_check_says_what_has_ended_and_what_ends_soon(here: Kept) -> None:
    (here.folder / "acme.yaml").write_text(MANIFEST)
    here("set", "acme/db", "--type", "database", "--expires", "29", stdin="postgresql://me:s3cr3t-of-db@host/db").ok()
    here("set", "acme/login", "--type", "basic_auth", "--expires", "31", stdin="me:s3cr3t-of-me").ok()
    said = command(here, "validate", "--check").ok().err
    day = (datetime.now(UTC) + timedelta(days=29)).date().isoformat()
    assert f"encrypted://db expires on {day}" in said
    assert "[secret-expires]" in said
    assert "encrypted://login#password expires" not in said
    here.db.sql("UPDATE secrets SET expires_at = '2020-01-01T00:00:00Z' WHERE name = 'login'")
    said = command(here, "validate", "--check").ok().err
    assert "encrypted://login#password expired on 2020-01-01" in said
    assert "[secret-expired]" in said


def test_what_is_known_of_a_secret_changes_without_its_value(kept: Kept) -> None:
    kept("set", "acme/one", "--description", "old", "--expires", "10", stdin="value-of-nobody").ok()
    kept("update", "acme/one", "--description", "new", "--rotate-every", "30").ok()
    shown = kept("show", "acme/one", "--format", "json").ok().json["secret"]
    assert (shown["description"], shown["rotate_days"], shown["version"]) == ("new", 30, 1)
    assert shown["expires_at"] is not None
    assert shown["value"] == "(secret)"
    assert [line.split()[0] for line in kept("list", "--rotatable").ok().out.splitlines()] == ["SECRET", "acme/one"]
    kept("update", "acme/one", "--expires", "never", "--rotate-every", "never").ok()
    shown = kept("show", "acme/one", "--format", "json").ok().json["secret"]
    assert (shown["expires_at"], shown["rotate_days"], shown["rotate_by"]) == (None, None, None)
    assert kept("list", "--rotatable").ok().out == "No secret has an interval for rotation.\n"
    assert kept.value("one") == "value-of-nobody"
    assert kept.events() == ["set", "update", "update", "access"]
    assert "nothing to change" in kept("update", "acme/one").ok(64).err
    assert "[wrong-usage]" in kept("update", "acme/one", "--rotate-every", "0").ok(64).err
    for name in ("update", "show"):
        more = ("--expires", "3") if name == "update" else ()
        assert "[unknown-secret]" in kept(name, "acme/none", *more).ok(64).err


def test_private_keys_with_a_passphrase_have_no_public_part(here: Kept) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    here("set", "acme/one", "--type", "ssh_key", stdin=private_key(BestAvailableEncryption(b"x"))).ok()
    refused(
        lambda: here.opener()("acme", SecretRef.parse("encrypted://one#public_key")),
        CredentialUnresolved,
        "private_key",
    )
