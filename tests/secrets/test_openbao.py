"""Every path that speaks to Vault, against a real OpenBao: reading, logins, policies, namespaces, transit, writing."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reconciler.errors import CredentialUnresolved, IntegrityFailed, UsageError
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.envelope import Bound, seal, unseal
from reconciler.secrets.fetch import Outside, Unreachable
from reconciler.secrets.secret import Secret
from reconciler.secrets.transit import TransitKey
from reconciler.secrets.vault_writing import VaultKey
from tests.conftest import reconciler
from tests.secrets.openbao import ROOT_TOKEN, OpenBao, running
from tests.secrets.stores import ask, fetcher, outside, refused
from tests.secrets.support import Kept, clear
from tests.secrets.test_values import certificate

REFERENCE = "vault://kv/acme/openai#api_key"


@pytest.fixture
def bao(openbao: OpenBao) -> OpenBao:
    """With a secret of two versions, whatever the tests before it did."""
    openbao.admin().adapter.delete("/v1/kv/metadata/acme/openai")
    openbao.write("kv/data/acme/openai", data={"api_key": "sk-first-value-1", "region": "eu"})
    openbao.write("kv/data/acme/openai", data={"api_key": "sk-second-value-2", "pin": 1234567, "rate": 1.5, "on": True})
    return openbao


def test_versions(bao: OpenBao) -> None:
    found = ask(fetcher(bao), REFERENCE)
    assert (found.secret.reveal(), found.version, found.expires_at) == ("sk-second-value-2", "2", None)
    first = ask(fetcher(bao), "vault://kv/acme/openai?version=1#api_key")
    assert (first.secret.reveal(), first.version) == ("sk-first-value-1", "1")


def test_numbers_are_text_and_nothing_else_is(bao: OpenBao) -> None:
    fetch = fetcher(bao)
    assert ask(fetch, "vault://kv/acme/openai#pin").secret.reveal() == "1234567"
    assert ask(fetch, "vault://kv/acme/openai#rate").secret.reveal() == "1.5"
    refused(lambda: ask(fetch, "vault://kv/acme/openai#on"), CredentialUnresolved, "neither text nor a number")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("vault://kv/acme/nothing#api_key", "no such secret"),
        ("vault://kv/acme/openai?version=9#api_key", "no such version"),
        ("vault://kv/acme/openai#other", "no key other"),
        ("vault://old/acme/gone#password", "no such secret"),
        ("vault://old/acme/db?version=1#password", "keeps no versions"),
        ("vault://teams/transit/keys/a#b", "not lie in a KV store"),
    ],
)
def test_what_is_not_there_is_named(bao: OpenBao, reference: str, words: str) -> None:
    assert "sk-" not in refused(lambda: ask(fetcher(bao), reference), CredentialUnresolved, reference, words)


def test_deleted_and_destroyed_versions_say_so(bao: OpenBao) -> None:
    bao.write("kv/destroy/acme/openai", versions=[1])
    bao.write("kv/delete/acme/openai", versions=[2])
    refused(lambda: ask(fetcher(bao), REFERENCE), CredentialUnresolved, "its version 2 is deleted")
    first = "vault://kv/acme/openai?version=1#api_key"
    refused(lambda: ask(fetcher(bao), first), CredentialUnresolved, "its version 1 is destroyed")


def test_a_version_that_vault_will_delete_has_an_end(bao: OpenBao) -> None:
    bao.write("kv/metadata/acme/ending", delete_version_after="240h")
    bao.write("kv/data/acme/ending", data={"key": "of-ten-days"})
    ends = ask(fetcher(bao), "vault://kv/acme/ending#key").expires_at
    assert ends is not None
    assert ends.utcoffset() is not None


def test_version_1_with_the_time_that_its_writer_advises(bao: OpenBao) -> None:
    bao.write("old/acme/db", password="of-version-one", ttl="30s")
    found = ask(fetcher(bao), "vault://old/acme/db#password")
    assert (found.secret.reveal(), found.version, found.seconds) == ("of-version-one", None, 30.0)


def test_a_policy_denies(bao: OpenBao) -> None:
    fetch = fetcher(bao, TOKEN=bao.token("kv/data/acme/*: read"))
    assert ask(fetch, REFERENCE).version == "2"
    other = "vault://kv/globex/openai#api_key"
    refused(lambda: ask(fetch, other), CredentialUnresolved, other, "does not permit it", code="secret-store-denied")
    refused(lambda: ask(fetch, "vault://unknown/acme/a#b"), CredentialUnresolved, code="secret-store-denied")


def test_a_token_that_is_none_is_denied(bao: OpenBao) -> None:
    refused(lambda: ask(fetcher(bao, TOKEN="ended-long-ago"), REFERENCE), CredentialUnresolved, "Has the token ended?")


def test_approle_logs_in_again_once_its_token_is_revoked(bao: OpenBao) -> None:
    bao.write("sys/policies/acl/reader", policy='path "kv/data/acme/*" { capabilities = ["read"] }')
    bao.write("auth/approle/role/shop", token_policies=["reader"], token_ttl="1h")
    role = bao.admin().adapter.get("/v1/auth/approle/role/shop/role-id")["data"]["role_id"]
    secret = bao.write("auth/approle/role/shop/secret-id")["data"]["secret_id"]
    fetch = fetcher(bao, TOKEN="", ROLE_ID=role, SECRET_ID=secret)
    assert ask(fetch, REFERENCE).version == "2"
    bao.write("sys/leases/revoke-prefix/auth/approle/login")
    assert ask(fetch, REFERENCE).version == "2"
    wrong = fetcher(bao, TOKEN="", ROLE_ID=role, SECRET_ID="wrong-secret-id")
    assert "wrong-secret-id" not in refused(lambda: ask(wrong, REFERENCE), Unreachable, "refuses the login")


def test_a_jwt_logs_in(bao: OpenBao, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    bao.write("auth/jwt/config", jwt_validation_pubkeys=[public], jwt_supported_algs=["EdDSA"])
    bao.write("sys/policies/acl/reader", policy='path "kv/data/acme/*" { capabilities = ["read"] }')
    bao.write(
        "auth/jwt/role/shop", role_type="jwt", user_claim="sub", bound_audiences=["vault"], token_policies=["reader"]
    )
    now = int(time.time())
    claims = {"sub": "ci", "aud": "vault", "iat": now, "exp": now + 600}
    (tmp_path / "jwt").write_text(jwt.encode(claims, private, algorithm="EdDSA"))
    given = {"TOKEN": "", "AUTH_METHOD": "jwt", "ROLE": "shop", "JWT_FILE": str(tmp_path / "jwt")}
    assert ask(fetcher(bao, **given), REFERENCE).version == "2"


def test_a_namespace(bao: OpenBao) -> None:
    bao.write("sys/namespaces/team")
    bao.write("sys/mounts/kv", "team", type="kv", options={"version": "2"})
    bao.write("kv/data/acme/openai", "team", data={"api_key": "of-the-team"})
    assert ask(fetcher(bao, NAMESPACE="team"), REFERENCE).secret.reveal() == "of-the-team"
    assert ask(fetcher(bao), "vault://team/kv/acme/openai#api_key").secret.reveal() == "of-the-team"
    by_its_own = {"BAO_ADDR": bao.url, "BAO_TOKEN": ROOT_TOKEN, "BAO_NAMESPACE": "team"}
    from reconciler.secrets.schemes import vault

    assert ask(vault.connect(Outside(by_its_own)), REFERENCE).secret.reveal() == "of-the-team"


BOUND = Bound("acme", "uid-1", 1, "one")


def test_transit_wraps_data_keys_through_rotations(bao: OpenBao) -> None:
    name = f"key-{os.urandom(4).hex()}"
    key = TransitKey(f"teams/transit/{name}", outside(bao))
    refused(lambda: TransitKey("teams/transit/none", outside(bao, TOKEN=bao.token("x: read"))).wrap(b"0" * 32, b""),
            CredentialUnresolved, "does not permit it")  # fmt: skip
    bao.write(f"teams/transit/keys/{name}", type="aes256-gcm96")
    blob = seal("sk-the-value-itself", BOUND, key)
    assert unseal(blob, BOUND, lambda _: key) == "sk-the-value-itself"
    refused(
        lambda: unseal(blob, BOUND._replace(tenant="globex"), lambda _: key), IntegrityFailed, code="secret-damaged"
    )
    old = key.wrap(b"0" * 32, b"here")
    bao.write(f"teams/transit/keys/{name}/rotate")
    new = key.wrap(b"0" * 32, b"here")
    assert (old[:9], new[:9], key.counted_as(new)) == (b"vault:v1:", b"vault:v2:", f"transit:teams/transit/{name}:v2")
    assert key.unwrap(old, b"here") == key.unwrap(new, b"here") == b"0" * 32
    for wrong in (b"vault:v1:AAAA", new[:-4] + b"AAAA"):
        refused(lambda wrong=wrong: key.unwrap(wrong, b"here"), IntegrityFailed, code="secret-damaged")
    bao.write(f"teams/transit/keys/{name}/config", min_decryption_version=2)
    refused(lambda: key.unwrap(old, b"here"), CredentialUnresolved, "min_decryption_version")


def test_a_name_that_is_wrong_makes_no_key(bao: OpenBao) -> None:
    """Vault makes a key of the name that it is to encrypt with, for whoever may make one."""
    name = f"key-{os.urandom(4).hex()}"
    wrong = TransitKey(f"teams/transit/{name}", outside(bao))
    refused(lambda: wrong.wrap(b"0" * 32, b"here"), CredentialUnresolved, f"there is no transit key {name}")
    listed = bao.admin().list("teams/transit/keys")
    assert name not in (listed["data"]["keys"] if listed else [])
    bao.write(f"teams/transit/keys/{name}", type="aes256-gcm96")
    assert wrong.unwrap(wrong.wrap(b"0" * 32, b"here"), b"here") == b"0" * 32


def written(bao: OpenBao, reference: str, value: str, new: bool = True, **environ: str) -> int:
    return VaultKey(outside(bao, **environ), SecretRef.parse(reference)).put(Secret(value), new)


def test_a_key_is_written_and_the_others_stay_as_they_were(bao: OpenBao) -> None:
    assert written(bao, REFERENCE, "sk-third-value-3", new=False) == 3
    data = bao.admin().adapter.get("/v1/kv/data/acme/openai")["data"]["data"]
    assert data == {"api_key": "sk-third-value-3", "pin": 1234567, "rate": 1.5, "on": True}
    assert written(bao, "vault://kv/acme/openai#other", "sk-other") == 4
    new = f"vault://kv/acme/new-{os.urandom(4).hex()}#key"
    refused(lambda: written(bao, new, "sk-new-value", new=False), UsageError, code="unknown-secret")
    assert written(bao, new, "sk-new-value") == 1
    key = VaultKey(outside(bao), SecretRef.parse(new))
    assert key.remove() == 1
    refused(key.remove, UsageError, code="unknown-secret")
    assert written(bao, new, "sk-after-deletion") == 2
    assert ask(fetcher(bao), new).secret.reveal() == "sk-after-deletion"


def test_no_write_of_others_is_lost(bao: OpenBao) -> None:
    names = [f"k{number}" for number in range(6)]
    path = f"vault://kv/acme/shared-{os.urandom(4).hex()}"
    threads = [threading.Thread(target=written, args=(bao, f"{path}#{name}", f"value-of-{name}")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fetch = fetcher(bao)
    assert [ask(fetch, f"{path}#{name}").secret.reveal() for name in names] == [f"value-of-{name}" for name in names]


def test_a_secret_that_somebody_made_meanwhile_is_not_written_over(
    bao: OpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the version, which is none, and writing the first one."""
    read, path = VaultKey._current, f"acme/made-{os.urandom(4).hex()}"
    others = ["sk-of-another"]

    def current(self: VaultKey, *arguments: Any) -> Any:
        found = read(self, *arguments)
        if others:
            bao.write(f"kv/data/{path}", data={"mine": others.pop()})
        return found

    monkeypatch.setattr(VaultKey, "_current", current)
    assert written(bao, f"vault://kv/{path}#key", "sk-value-of-ours") == 2
    data = bao.admin().adapter.get(f"/v1/kv/data/{path}")["data"]["data"]
    assert data == {"mine": "sk-of-another", "key": "sk-value-of-ours"}


def test_what_can_not_be_written(bao: OpenBao) -> None:
    reader = bao.token("kv/data/acme/*: read")
    refused(
        lambda: written(bao, REFERENCE, "sk-x-value", TOKEN=reader), CredentialUnresolved, "is not written", "patch"
    )
    refused(lambda: written(bao, "vault://old/acme/db#password", "pw-value"), CredentialUnresolved, "check-and-set")
    for text in ("vault://kv/acme/openai?version=1#api_key", "env://X"):
        refused(lambda text=text: written(bao, text, "sk-x-value"), UsageError, code="invalid-reference")


MANIFEST = """version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "vault://kv/acme/openai#api_key", models: [gpt-4o]}
"""


def test_the_commands(bao: OpenBao, here: Kept) -> None:
    given = {"VAULT_ADDR": bao.url, "VAULT_TOKEN": ROOT_TOKEN}
    value = "sk-live-of-vault"

    made = here("set", "acme", "--in", REFERENCE, "--type", "api_key", stdin=value, **given).ok()
    assert made.out == f"Kept {REFERENCE} in Vault, version 3. Manifests of acme refer to it as {REFERENCE}\n"
    again = here("rotate", "acme", "--in", REFERENCE, "--format", "json", stdin=f"{value}-2", **given).ok().json
    assert again["secret"] == {"tenant": "acme", "reference": REFERENCE, "version": 4}
    (here.folder / "acme.yaml").write_text(MANIFEST)
    reconciler("apply", "--check", "--auto-approve", cwd=here.folder, env=here.environment(given)).ok()
    used = here("delete", "acme", "--in", REFERENCE, "--auto-approve", **given)
    assert "acme/integration/openai" in clear(used, 6, "secret-in-use").err
    clear(here("delete", "acme", "--in", REFERENCE, "--allow-referenced", **given), 6, "approval-impossible")
    here("delete", "acme", "--in", REFERENCE, "--auto-approve", "--allow-referenced", **given).ok()
    refused(lambda: ask(fetcher(bao), REFERENCE), CredentialUnresolved, "no key api_key")
    assert here.events() == ["set", "rotate", "resolve", "delete"]
    assert value not in used.text + made.text


def test_the_commands_keep_to_the_tenants_part(bao: OpenBao, here: Kept) -> None:
    given = {"VAULT_ADDR": bao.url, "VAULT_TOKEN": ROOT_TOKEN}
    for command, *more in (("set",), ("rotate",), ("delete", "--auto-approve")):
        other = here(command, "globex", "--in", REFERENCE, *more, stdin="sk-of-globex", **given)
        clear(other, 7, "reference-forbidden")
        clear(here(command, "acme/one", "--in", REFERENCE, *more, stdin="sk-of-acme", **given), 64, "invalid-name")
        clear(
            here(command, "acme", "--in", "vault://kv/acme", *more, stdin="sk-of-acme", **given),
            64,
            "invalid-reference",
        )
    clear(here("set", "acme", "--in", REFERENCE, "--type", "api_key", stdin="changeme", **given), 64, "unfit-value")
    clear(here("set", "acme", "--in", REFERENCE, "--expires", "3", stdin="sk-of-acme", **given), 64, "wrong-usage")
    assert ask(fetcher(bao), REFERENCE).secret.reveal() == "sk-second-value-2"
    assert here.events() == []


def test_transit_is_the_key_of_a_database(bao: OpenBao, here: Kept) -> None:
    """Set, checked, put under a new version of the key, and read back; the audit trail is keyed by it too."""
    name = f"teams/transit/key-{os.urandom(4).hex()}"
    given = {
        "VAULT_ADDR": bao.url,
        "VAULT_TOKEN": ROOT_TOKEN,
        "RECONCILER_TRANSIT_KEY": name,
        "RECONCILER_KEY_FILE": "",
    }
    bao.write(name.replace("transit/", "transit/keys/"), type="aes256-gcm96")
    here("set", "acme/login", "--type", "basic_auth", stdin="me:sk-of-the-command", **given).ok()
    bao.write(f"{name.replace('transit/', 'transit/keys/')}/rotate")
    assert here("reencrypt", "--format", "json", **given).ok().json["rewrapped"] == 1
    keys = here("keys", "list", "--format", "json", **given).ok().json["keys"]
    held = {key["key"].rpartition(":")[2]: key["secrets"] for key in keys}
    assert (held["v1"], held["v2"]) == (0, 1)
    manifest = MANIFEST.replace("vault://kv/acme/openai#api_key", "encrypted://login#password")
    (here.folder / "acme.yaml").write_text(manifest)
    for command in (("validate", "--check"), ("audit", "verify")):
        ran = reconciler(*command, cwd=here.folder, env=here.environment(given)).ok()
        assert "sk-of-the-command" not in ran.text


ACCOUNT = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:shop:ci"} | {
    f"kubernetes.io/serviceaccount/{key}": value
    for key, value in {"namespace": "shop", "service-account.name": "ci", "service-account.uid": "uid-1"}.items()
}


class Cluster(BaseHTTPRequestHandler):
    """The one part of a cluster's API that a login needs: the review of a service account's token."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        user = {"username": ACCOUNT["sub"], "uid": "uid-1", "groups": ["system:serviceaccounts"]}
        asked["status"] = {"authenticated": True, "user": user}
        body = json.dumps(asked).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


def test_a_service_account_of_kubernetes_logs_in(bao: OpenBao, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as cluster:
        thread = threading.Thread(target=cluster.serve_forever, args=(0.01,))
        thread.start()
        try:
            host = f"http://127.0.0.1:{cluster.server_port}"
            authority = certificate(datetime(2100, 1, 1, tzinfo=UTC))  # of a cluster that is asked without TLS here
            config = {"kubernetes_host": host, "kubernetes_ca_cert": authority, "disable_local_ca_jwt": True}
            bao.write("auth/kubernetes/config", **config)
            bao.write("sys/policies/acl/reader", policy='path "kv/data/acme/*" { capabilities = ["read"] }')
            names = {"bound_service_account_names": ["ci"], "bound_service_account_namespaces": ["shop"]}
            bao.write("auth/kubernetes/role/shop", **names, token_policies=["reader"])
            (tmp_path / "jwt").write_text(
                jwt.encode(ACCOUNT, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256")
            )
            given = {"TOKEN": "", "AUTH_METHOD": "kubernetes", "ROLE": "shop", "JWT_FILE": str(tmp_path / "jwt")}
            assert ask(fetcher(bao, **given), REFERENCE).version == "2"
        finally:
            cluster.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def by_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with running(tmp_path_factory.mktemp("tls"), tls=True) as server:
        yield server


def test_tls_and_the_wrong_schemes(by_tls: OpenBao, bao: OpenBao) -> None:
    by_tls.write("secret/data/acme/a", data={"key": "by-tls-alone"})
    reference = "vault://secret/acme/a#key"
    assert ask(fetcher(by_tls, CACERT=str(by_tls.certificate)), reference).secret.reveal() == "by-tls-alone"
    refused(lambda: ask(fetcher(by_tls), reference), Unreachable, "certificate", "VAULT_CACERT")
    plain = OpenBao(by_tls.url.replace("https:", "http:"))
    refused(lambda: ask(fetcher(plain), reference), Unreachable, "speaks HTTPS", "write https:// in VAULT_ADDR")
    wrong = OpenBao(bao.url.replace("http:", "https:"))
    refused(lambda: ask(fetcher(wrong), REFERENCE), Unreachable, "speaks HTTP,", "write http:// in VAULT_ADDR")
