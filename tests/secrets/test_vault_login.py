"""Logging in to Vault: each method, tokens that end, and whose variables are read."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import CredentialUnresolved
from reconciler.secrets.fetch import Unreachable
from reconciler.secrets.scrub import scrub
from reconciler.secrets.vault_client import settings
from tests.secrets.stores import ask, fetcher, refused
from tests.secrets.vault_server import Answer, Token, VaultServer, says

REFERENCE = "vault://kv/acme/openai#api_key"
APPROLE = {"TOKEN": "", "ROLE_ID": "role-id-1", "SECRET_ID": "secret-id-1"}


def approle(vault: VaultServer, lasts: float = 3600, path: str = "auth/approle/login") -> None:
    def login(body: dict[str, Any]) -> Answer | Token:
        if body != {"role_id": "role-id-1", "secret_id": "secret-id-1"}:
            return Answer(400, {"errors": ["invalid role or secret ID"]})
        return Token(vault.now() + lasts)

    vault.logins[path] = login


def jwt(vault: VaultServer, path: str) -> None:
    def login(body: dict[str, Any]) -> Answer | Token:
        good = body == {"role": "shop", "jwt": "header.payload.signature"}
        return Token(vault.now() + 3600) if good else Answer(403, {"errors": ["permission denied"]})

    vault.logins[path] = login


def logins(vault: VaultServer) -> int:
    return sum(path.endswith("/login") for path in vault.paths)


def test_approle_is_chosen_where_there_is_a_role_and_no_token(vault: VaultServer) -> None:
    approle(vault)
    assert ask(fetcher(vault, **APPROLE), REFERENCE).version == "2"
    assert vault.paths[0] == "/v1/auth/approle/login"
    assert vault.seen[0].token is None
    assert str(vault.seen[-1].token).startswith("hvs.")
    assert scrub(f"x {vault.seen[-1].token} secret-id-1") == "x (secret) (secret)"


def test_approle_by_files_elsewhere(vault: VaultServer, tmp_path: Path) -> None:
    approle(vault, path="auth/teams/ci/login")
    (tmp_path / "id").write_text("secret-id-1\n")
    given = {"TOKEN": "", "ROLE_ID": "role-id-1", "SECRET_ID_FILE": str(tmp_path / "id"), "AUTH_MOUNT": "teams/ci"}
    assert ask(fetcher(vault, **given), REFERENCE).version == "2"


def test_a_role_without_a_secret_id(vault: VaultServer) -> None:
    vault.logins["auth/approle/login"] = lambda body: Token() if body["secret_id"] is None else Answer(400, {})
    assert ask(fetcher(vault, TOKEN="", ROLE_ID="role-id-1"), REFERENCE).version == "2"


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_jwt_of_a_file(vault: VaultServer, tmp_path: Path, method: str) -> None:
    jwt(vault, f"auth/{method}/login")
    (tmp_path / "jwt").write_text("header.payload.signature\n")
    given = {"TOKEN": "", "AUTH_METHOD": method, "ROLE": "shop", "JWT_FILE": str(tmp_path / "jwt")}
    assert ask(fetcher(vault, **given), REFERENCE).version == "2"
    assert json.loads(vault.seen[0].body) == {"role": "shop", "jwt": "header.payload.signature"}


def test_a_jwt_of_the_environment(vault: VaultServer) -> None:
    jwt(vault, "auth/gitlab/login")
    given = {"TOKEN": "", "AUTH_METHOD": "jwt", "ROLE": "shop", "JWT": "header.payload.signature"}
    assert ask(fetcher(vault, AUTH_MOUNT="gitlab", **given), REFERENCE).version == "2"


def test_a_login_inside_of_a_namespace(vault: VaultServer) -> None:
    approle(vault, path="team/auth/approle/login")
    vault.namespaces.add("team")
    vault.put("team/kv", "acme/openai", api_key="of-the-team")
    assert ask(fetcher(vault, NAMESPACE="team", **APPROLE), REFERENCE).secret.reveal() == "of-the-team"


def test_the_token_of_the_home_folder(vault: VaultServer, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("root-token\n")
    fetch = fetcher(vault, TOKEN="")
    refused(lambda: ask(fetch, REFERENCE), Unreachable, "no token", "VAULT_TOKEN")
    given = {"VAULT_ADDR": vault.url, "HOME": str(tmp_path)}
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.schemes import vault as scheme

    assert ask(scheme.connect(Outside(given)), REFERENCE).version == "2"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TOKEN": "", "AUTH_METHOD": "approle"}, "role id"),
        ({"TOKEN": "", "AUTH_METHOD": "jwt"}, "JWT"),
        ({"TOKEN": "", "AUTH_METHOD": "jwt", "JWT_FILE": "/nonexistent/jwt"}, "JWT"),
        ({"TOKEN": "", "AUTH_METHOD": "kubernetes", "JWT_FILE": "/nonexistent/jwt"}, "JWT"),
        ({"TOKEN": "", "AUTH_METHOD": "jwt", "JWT_FILE": "a\0b"}, "JWT"),
        ({"TOKEN": "tökén-of-secrets"}, "can't be sent"),
        ({"TOKEN": "token-of\nsecrets"}, "can't be sent"),
    ],
)
def test_what_is_missing_for_a_login_is_named(vault: VaultServer, given: dict[str, str], words: str) -> None:
    text = refused(lambda: ask(fetcher(vault, **given), REFERENCE), Unreachable, words)
    assert "of-secrets" not in text
    assert vault.seen == []


def test_an_unknown_method(vault: VaultServer) -> None:
    refused(lambda: fetcher(vault, AUTH_METHOD="ldap"), Unreachable, "token, approle, kubernetes, jwt")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_login_that_is_refused_is_no_matter_of_the_reference(vault: VaultServer, status: int) -> None:
    vault.orders_next(says(status, {"errors": ["secret-id-1 is wrong"]}), where="/v1/auth/")
    text = refused(lambda: ask(fetcher(vault, **APPROLE), REFERENCE), Unreachable, "refuses the login")
    assert "secret-id-1" not in text
    assert len(vault.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"auth": None},
        {"auth": []},
        {"auth": {"client_token": 7, "lease_duration": 5}},
        {"auth": {"client_token": None, "lease_duration": 5}},
        {"auth": {"client_token": "a\r\nX-Evil: 1", "lease_duration": 5}},
        {"auth": {"client_token": "hvs.some-token", "lease_duration": "soon"}},
        {"auth": {"client_token": "hvs.some-token"}},
        [],
        b"<html>sign in</html>",
        b"[" * 100_000,
    ],
)
def test_an_answer_to_a_login_that_is_none(vault: VaultServer, body: Any) -> None:
    vault.orders_next(says(200, body), where="/v1/auth/")
    refused(lambda: ask(fetcher(vault, **APPROLE), REFERENCE), Unreachable)
    assert len(vault.seen) == 1


def test_a_token_that_is_about_to_end_is_replaced_in_time(vault: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.secrets import vault_client

    approle(vault, lasts=60)
    fetch = fetcher(vault, **APPROLE)
    ask(fetch, REFERENCE)
    ask(fetch, REFERENCE)
    assert logins(vault) == 1
    began = vault_client.time.monotonic()
    monkeypatch.setattr(vault_client.time, "monotonic", lambda: began + 51)
    ask(fetch, REFERENCE)
    assert logins(vault) == 2
    assert vault.seen[-2].token is None, "the old token does not go with a login"


def test_a_token_of_a_few_seconds_is_used_more_than_once(vault: VaultServer) -> None:
    approle(vault, lasts=5)
    fetch = fetcher(vault, **APPROLE)
    for _ in range(3):
        ask(fetch, REFERENCE)
    assert logins(vault) == 1


def test_a_revoked_token_is_replaced_at_once(vault: VaultServer) -> None:
    approle(vault)
    fetch = fetcher(vault, **APPROLE)
    ask(fetch, REFERENCE)
    del vault.tokens[str(vault.seen[-1].token)]
    assert ask(fetch, REFERENCE).version == "2"
    assert logins(vault) == 2


def test_a_token_that_ended_on_the_server_is_replaced_at_once(vault: VaultServer) -> None:
    approle(vault, lasts=3600)
    fetch = fetcher(vault, **APPROLE)
    ask(fetch, REFERENCE)
    vault.later(4000)
    assert ask(fetch, REFERENCE).version == "2"


def test_a_denial_is_no_reason_to_log_in_again(vault: VaultServer) -> None:
    vault.logins["auth/approle/login"] = lambda _: Token(below=("kv/data/acme/",))
    fetch = fetcher(vault, **APPROLE)
    for _ in range(3):
        refused(lambda: ask(fetch, "vault://kv/globex/a#b"), CredentialUnresolved, code="secret-store-denied")
    assert ask(fetch, REFERENCE).version == "2"
    assert logins(vault) == 1


def test_a_token_that_may_not_look_itself_up_is_tried_once_more(vault: VaultServer) -> None:
    vault.logins["auth/approle/login"] = lambda _: Token(below=("kv/data/acme/",), looks_up_itself=False)
    fetch = fetcher(vault, **APPROLE)
    ask(fetch, REFERENCE)
    refused(lambda: ask(fetch, "vault://kv/globex/a#b"), CredentialUnresolved, code="secret-store-denied")
    assert logins(vault) == 2


def test_a_given_token_that_has_ended_is_denied(vault: VaultServer) -> None:
    fetch = fetcher(vault, TOKEN="ended-long-ago")
    text = refused(lambda: ask(fetch, REFERENCE), CredentialUnresolved, "Has the token ended?")
    assert "ended-long-ago" not in text
    assert len(vault.seen) == 1


def test_threads_share_one_login_and_none_takes_another_ones_token(vault: VaultServer) -> None:
    approle(vault)
    fetch = fetcher(vault, **APPROLE)
    ask(fetch, REFERENCE)
    del vault.tokens[str(vault.seen[-1].token)]
    vault.seen.clear()
    found: list[str] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        found.append(ask(fetch, REFERENCE).secret.reveal())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["sk-second-value-2"] * 8
    assert logins(vault) == 1
    assert all(request.token for request in vault.seen if not request.path.endswith("/login"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"VAULT_ADDR": "v", "VAULT_TOKEN": "a"}, {"ADDR": "v", "TOKEN": "a"}),
        ({"BAO_ADDR": "b", "BAO_TOKEN": "c"}, {"ADDR": "b", "TOKEN": "c"}),
        ({"BAO_ADDR": "b", "BAO_TOKEN": "c", "VAULT_TOKEN": "a"}, {"ADDR": "b", "TOKEN": "c"}),
        ({"BAO_ADDR": "b", "VAULT_TOKEN": "a"}, {"ADDR": "b", "TOKEN": "a"}),
        ({"VAULT_ADDR": "v", "BAO_ADDR": "b", "BAO_TOKEN": "c"}, {"ADDR": "v"}),
        ({"VAULT_ADDR": "v", "BAO_TOKEN": "c"}, {"ADDR": "v"}),
        ({"VAULT_ADDR": "", "BAO_ADDR": "b", "VAULT_TOKEN": ""}, {"ADDR": "b"}),
    ],
)
def test_variables_of_openbao(environ: dict[str, str], expected: dict[str, str]) -> None:
    assert settings(environ) == expected


def test_openbao_by_its_own_variables(vault: VaultServer) -> None:
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.schemes import vault as scheme

    vault.namespaces.add("team")
    vault.put("team/kv", "acme/openai", api_key="of-openbao")
    given = {"BAO_ADDR": vault.url, "BAO_TOKEN": "root-token", "BAO_NAMESPACE": "team"}
    assert ask(scheme.connect(Outside(given)), REFERENCE).secret.reveal() == "of-openbao"
