"""A Vault that is down, slow, busy or lies: bounds are kept, and no secret gets into what is said of it."""

from __future__ import annotations

import datetime
import ipaddress
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import TRIES, Fetched, Unreachable
from reconciler.secrets.policy import Policy
from reconciler.secrets.resolve import Resolver, Wanted
from tests.secrets.stores import ask, fetcher, outside, refused
from tests.secrets.vault_server import (
    ENDLESS,
    SLOW_HEADERS,
    TRICKLE,
    Handler,
    Order,
    VaultServer,
    resets,
    says,
    serving,
)

REFERENCE = "vault://kv/acme/openai#api_key"
LEAK = {"errors": ["root-token may not see sk-second-value-2"]}


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (says(429, LEAK), "too many requests"),
        (says(500, LEAK), "internal error"),
        (says(502, b"<html>root-token</html>"), "internal error"),
        (says(503, LEAK), "sealed"),
        (says(504, b"gateway"), "internal error"),
        (says(599, b""), "internal error"),
        (resets, "can't be reached"),
    ],
)
def test_what_may_pass_is_tried_again_in_bounds(vault: VaultServer, order: Order, words: str) -> None:
    fetch = fetcher(vault)
    vault.orders_next(order, times=TRIES - 1)
    assert ask(fetch, REFERENCE).version == "2"
    vault.seen.clear()
    vault.orders_next(order, times=9)
    text = refused(lambda: ask(fetch, REFERENCE), Unreachable, REFERENCE, words, f"127.0.0.1:{vault.port}")
    assert "root-token" not in text
    assert "sk-" not in text
    assert len(vault.seen) == TRIES


@pytest.mark.parametrize(
    ("order", "words", "kind"),
    [
        (says(400, LEAK), "malformed", CredentialUnresolved),
        (says(404, LEAK), "no such secret", CredentialUnresolved),
        (says(405, LEAK), "UnexpectedError", Unreachable),
        (says(412, LEAK), "UnexpectedError", Unreachable),
        (says(418, b"teapot"), "UnexpectedError", Unreachable),
        (says(501, LEAK), "not initialized", Unreachable),
        (says(301, b"", Location="https://example.com/"), "a redirect", Unreachable),
        (says(300, b""), "a redirect", Unreachable),
    ],
)
def test_what_does_not_pass_is_asked_once(
    vault: VaultServer, order: Order, words: str, kind: type[CredentialUnresolved]
) -> None:
    vault.orders_next(order, times=9)
    text = refused(lambda: ask(fetcher(vault), REFERENCE), kind, REFERENCE, words)
    assert "root-token" not in text
    assert "sk-" not in text
    assert len(vault.seen) == 1


def test_sealed(vault: VaultServer) -> None:
    vault.sealed = True
    refused(lambda: ask(fetcher(vault), REFERENCE), Unreachable, "sealed", "unseal it", code="secret-store-unreachable")


def test_nobody_listens() -> None:
    with serving() as gone:
        pass
    refused(lambda: ask(fetcher(gone), REFERENCE), Unreachable, f"127.0.0.1:{gone.port}", "can't be reached")


ERRORS: list[Any] = [
    b"",
    b"not JSON",
    b"\xff\xfe",
    b"[" * 100_000,
    [],
    7,
    None,
    {"errors": None},
    {"errors": [{"a": 1}]},
    {"errors": "text"},
    {"errors": ["\x1b[31msk-second-value-2"]},
    {"data": {"metadata": []}},
    {"data": {"metadata": {"version": "\x1b[31m", "destroyed": 1}}},
]
ANSWERS: list[Any] = [
    *ERRORS,
    {"data": None},
    {"data": []},
    {"data": "text"},
    {"data": {}},
    {"data": {"path": 7, "type": "kv"}},
    {"data": {"path": "", "type": "kv"}},
    {"data": {"path": "/", "type": "kv"}},
    {"data": {"path": "other/", "type": "kv"}},
    {"data": {"path": "k/", "type": "kv"}},
    {"data": {"path": "kv/acme/openai/", "type": "kv"}},
    {"data": {"path": "kv/", "type": "kv", "options": {"version": "3"}}},
    {"data": {"path": "kv/", "type": "kv", "options": {"version": "x"}}},
    {"data": {"path": "kv/", "type": "kv", "options": []}},
    {"data": {"path": "kv/", "type": ["kv"]}},
    {"data": {"path": "../", "type": "kv"}},
    {"data": {"data": None, "metadata": {"version": 1}}},
    {"data": {"data": [], "metadata": {"version": 1}}},
    {"data": {"data": {"api_key": "sk-second-value-2"}}},
    {"data": {"data": {"api_key": "sk-second-value-2"}, "metadata": {"version": "x"}}},
    {"data": {"data": {"api_key": "sk-second-value-2"}, "metadata": {"version": [1]}}},
]


@pytest.mark.parametrize("where", ["/v1/sys/", "/v1/kv/"])
@pytest.mark.parametrize("body", ANSWERS, ids=lambda body: repr(body)[:60])
def test_an_answer_of_another_shape_is_an_error_of_ours(vault: VaultServer, where: str, body: Any) -> None:
    vault.orders_next(says(200, body), where=where)
    with pytest.raises(CredentialUnresolved) as caught:
        ask(fetcher(vault), REFERENCE)
    text = "".join(f"{problem.message}{problem.hint}" for problem in caught.value.problems)
    assert REFERENCE in text
    assert "sk-" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("status", [400, 403, 404, 500])
@pytest.mark.parametrize("body", ERRORS, ids=lambda body: repr(body)[:60])
def test_an_error_of_another_shape_is_an_error_of_ours(vault: VaultServer, status: int, body: Any) -> None:
    vault.orders_next(says(status, body), times=TRIES, where="/v1/kv/")
    with pytest.raises(CredentialUnresolved) as caught:
        ask(fetcher(vault), REFERENCE)
    text = "".join(f"{problem.message}{problem.hint}" for problem in caught.value.problems)
    assert "sk-" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("lease", [None, "x", -1, 0, 10**400, float("nan"), float("inf")])
def test_a_lease_of_no_sense_keeps_nothing_for_longer(vault: VaultServer, lease: Any) -> None:
    vault.kv1["old"] = {"acme/db": {"password": "of-version-one", "ttl": lease}}
    resolver, wanted = (
        Resolver(Policy(), outside(vault)),
        Wanted("acme", SecretRef.parse("vault://old/acme/db#password")),
    )
    for _ in range(2):
        found = resolver.fetched_all([wanted])[wanted]
        assert (
            found.secret.reveal() == "of-version-one" if isinstance(found, Fetched) else "of-version" not in str(found)
        )


@pytest.mark.parametrize("order", [SLOW_HEADERS, TRICKLE], ids=["headers", "body"])
@pytest.mark.parametrize("where", ["/v1/sys/", "/v1/kv/"])
def test_a_server_that_drips_is_given_up_in_time(vault: VaultServer, order: Order, where: str) -> None:
    """Each single read is quick; a timeout per read would wait for as long as the server likes."""
    vault.orders_next(order, times=9, where=where)
    resolver = Resolver(Policy(), outside(vault, timeout=0.5))
    began = time.monotonic()
    refused(lambda: resolver.resolve("acme", REFERENCE), Unreachable, REFERENCE)
    assert time.monotonic() - began < 4  # the server alone would take 5 s and 20 s


def test_a_login_that_drips_holds_nobody_up(vault: VaultServer) -> None:
    vault.orders_next(TRICKLE, times=99)
    resolver = Resolver(Policy(), outside(vault, timeout=0.5, TOKEN="", ROLE_ID="role"))
    wanted = [Wanted("acme", SecretRef.parse(f"vault://kv/acme/k{number}#key")) for number in range(40)]
    began = time.monotonic()
    found = resolver.fetched_all(wanted)
    assert time.monotonic() - began < 6
    assert {type(one) for one in found.values()} == {Unreachable}


def test_a_login_of_another_thread_is_waited_for_no_longer_than_one_of_its_own(vault: VaultServer) -> None:
    held = threading.Event()

    def order(handler: Handler) -> None:
        held.set()
        TRICKLE(handler)

    def first() -> None:
        with pytest.raises(CredentialUnresolved):
            ask(fetch, REFERENCE)

    vault.orders_next(order)
    fetch = fetcher(vault, timeout=0.5, TOKEN="", ROLE_ID="role")
    threading.Thread(target=first, daemon=True).start()
    assert held.wait(30)
    refused(lambda: ask(fetch, REFERENCE), Unreachable, "does not answer in time")
    assert len(vault.seen) == 1


@pytest.mark.parametrize("path", ["other/", "k/", "kv/acme/openai/", "../", "", "sys/", "kv/acme/openai/more/"])
def test_a_mount_that_the_path_does_not_lie_in_is_not_read(vault: VaultServer, path: str) -> None:
    for version in ("1", "2"):
        answer = {"data": {"path": path, "type": "kv", "options": {"version": version}}}
        vault.orders_next(says(200, answer), where="/v1/sys/")
        refused(lambda: ask(fetcher(vault), REFERENCE), CredentialUnresolved, REFERENCE, "not lie in a KV store")
    assert vault.paths == ["/v1/sys/internal/ui/mounts/kv/acme/openai"] * 2


def test_an_endless_answer_is_cut(vault: VaultServer) -> None:
    vault.orders_next(ENDLESS, times=9)
    refused(lambda: ask(fetcher(vault), REFERENCE), Unreachable, "more than 1024 KiB")
    assert len(vault.seen) == 1


def test_a_compressed_bomb_is_cut(vault: VaultServer) -> None:
    import gzip

    bomb = gzip.compress(b" " * 20_000_000, 9)
    headers = {"Content-Encoding": "gzip"}
    vault.orders_next(says(200, bomb, **headers), times=9)
    refused(lambda: ask(fetcher(vault), REFERENCE), Unreachable, "more than 1024 KiB")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:8200", "not a URL"),
        ("unix:///run/vault.sock", "not a URL"),
        ("ftp://127.0.0.1/", "not a URL"),
        ("http://", "not a URL"),
        ("http://[::1", ""),
        ("http://127.0.0.1:99999", ""),
        ("http://.:1", ""),
        ("\x00", ""),
    ],
)
def test_an_address_that_is_none(vault: VaultServer, address: str, words: str) -> None:
    refused(lambda: ask(fetcher(vault, ADDR=address), REFERENCE), Unreachable, words)


def test_no_address(vault: VaultServer) -> None:
    refused(lambda: fetcher(vault, ADDR=" "), Unreachable, "VAULT_ADDR")


def test_a_password_of_the_address_is_not_repeated(vault: VaultServer) -> None:
    address = f"http://user:pass-of-address@127.0.0.1:{vault.port}"
    vault.sealed = True
    text = refused(
        lambda: ask(fetcher(vault, ADDR=address), REFERENCE), Unreachable, f"Vault at 127.0.0.1:{vault.port}"
    )
    assert "pass-of-address" not in text


def test_settings_of_other_programs_have_no_say(
    vault: VaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password netrc-password\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", "of-another-process")
    assert ask(fetcher(vault), REFERENCE).version == "2"
    assert {request.token for request in vault.seen} == {"root-token"}
    assert all("authorization" not in request.headers for request in vault.seen)


def test_a_proxy_of_its_own(vault: VaultServer) -> None:
    with serving() as proxy:
        proxy.orders_next(says(503), times=9, where="http://")
        refused(lambda: ask(fetcher(vault, PROXY_ADDR=proxy.url), REFERENCE), Unreachable, "sealed")
        assert proxy.paths[0] == f"{vault.url}/v1/sys/internal/ui/mounts/kv/acme/openai"
        assert vault.seen == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority that nobody knows, for 127.0.0.1; the key stands in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vault")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "vault.pem"
    coded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + coded)
    return path


def test_a_certificate_of_nobody_is_refused_and_no_token_sent(certificate: Path) -> None:
    with serving(certificate) as vault:
        vault.put("kv", "acme/openai", api_key="sk-over-tls")
        refused(lambda: ask(fetcher(vault), REFERENCE), Unreachable, "can't be verified", "VAULT_CACERT")
        assert vault.seen == []
        assert ask(fetcher(vault, CACERT=str(certificate)), REFERENCE).secret.reveal() == "sk-over-tls"


def test_a_file_of_certificates_that_is_not_there(certificate: Path, tmp_path: Path) -> None:
    with serving(certificate) as vault:
        for name in ("CACERT", "CAPATH"):
            fetch = fetcher(vault, **{name: str(tmp_path / "nothing.pem")})
            refused(lambda fetch=fetch: ask(fetch, REFERENCE), Unreachable, "a file of certificates")  # type: ignore[misc]
        (tmp_path / "empty.pem").write_text("")
        refused(lambda: ask(fetcher(vault, CACERT=str(tmp_path / "empty.pem")), REFERENCE), Unreachable)
        client = {"CLIENT_CERT": str(tmp_path / "nothing"), "CLIENT_KEY": str(tmp_path / "nothing")}
        fetch = fetcher(vault, CACERT=str(certificate), **client)
        refused(lambda: ask(fetch, REFERENCE), Unreachable, "a file of certificates")
        assert vault.seen == []
