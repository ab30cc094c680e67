"""``vault://`` against a server: both versions of KV, mounts, namespaces, what is gone, and paths."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Unreachable
from tests.secrets.stores import ask, fetcher, refused
from tests.secrets.vault_server import Token, VaultServer, says

REFERENCE = "vault://kv/acme/openai#api_key"


def test_the_newest_version_is_read(vault: VaultServer) -> None:
    found = ask(fetcher(vault), REFERENCE)
    assert (found.secret.reveal(), found.version, found.seconds) == ("sk-second-value-2", "2", None)


@pytest.mark.parametrize(("version", "value"), [("1", "sk-first-value-1"), ("2", "sk-second-value-2")])
def test_a_version_is_read(vault: VaultServer, version: str, value: str) -> None:
    found = ask(fetcher(vault), f"vault://kv/acme/openai?version={version}#api_key")
    assert (found.secret.reveal(), found.version) == (value, version)


def test_deleted_and_destroyed_versions_say_so(vault: VaultServer) -> None:
    vault.kv2["kv"]["acme/openai"][0].destroyed = True
    vault.kv2["kv"]["acme/openai"][1].deletion_time = "2026-01-01T00:00:00Z"
    fetch = fetcher(vault)
    refused(lambda: ask(fetch, REFERENCE), CredentialUnresolved, "its version 2 is deleted")
    first = "vault://kv/acme/openai?version=1#api_key"
    refused(lambda: ask(fetch, first), CredentialUnresolved, first, "its version 1 is destroyed")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("vault://kv/acme/nothing#api_key", "no such secret"),
        ("vault://kv/acme/openai?version=9#api_key", "no such version"),
        ("vault://kv/acme/openai#other", "no key other"),
        ("vault://kv/acme/openai?version=2#region", "no key region"),
    ],
)
def test_what_is_not_there_is_named(vault: VaultServer, reference: str, words: str) -> None:
    text = refused(lambda: ask(fetcher(vault), reference), CredentialUnresolved, reference, words)
    assert "sk-" not in text


@pytest.mark.parametrize("value", [["a"], {"a": 1}, True])
def test_a_value_that_is_no_text_is_none(vault: VaultServer, value: object) -> None:
    vault.put("kv", "acme/odd", key=value)
    refused(lambda: ask(fetcher(vault), "vault://kv/acme/odd#key"), CredentialUnresolved, "neither text nor a number")


def test_version_1_with_the_time_that_its_writer_advises(vault: VaultServer) -> None:
    vault.kv1["old/store"] = {"acme/db": {"password": "of-version-one", "ttl": 30}}
    fetch = fetcher(vault)
    found = ask(fetch, "vault://old/store/acme/db#password")
    assert (found.secret.reveal(), found.version, found.seconds) == ("of-version-one", None, 30.0)
    refused(lambda: ask(fetch, "vault://old/store/acme/gone#password"), CredentialUnresolved, "no such secret")
    versioned = "vault://old/store/acme/db?version=1#password"
    refused(lambda: ask(fetch, versioned), CredentialUnresolved, "keeps no versions")


def test_a_mount_is_asked_for_once_and_may_have_several_parts(vault: VaultServer) -> None:
    vault.put("teams/shop/kv", "acme/a", key="value-of-a")
    vault.put("teams/shop/kv", "acme/b", key="value-of-b")
    vault.put("teams/shop/kvs", "acme/a", key="value-of-kvs")
    fetch = fetcher(vault)
    for name in ("a", "b"):
        assert ask(fetch, f"vault://teams/shop/kv/acme/{name}#key").secret.reveal() == f"value-of-{name}"
    assert ask(fetch, "vault://teams/shop/kvs/acme/a#key").secret.reveal() == "value-of-kvs"
    assert [path for path in vault.paths if "internal" in path] == [
        "/v1/sys/internal/ui/mounts/teams/shop/kv/acme/a",
        "/v1/sys/internal/ui/mounts/teams/shop/kvs/acme/a",
    ]


def test_a_store_that_is_mounted_anew_is_found_again(vault: VaultServer) -> None:
    vault.kv1["old"] = {"acme/db": {"password": "of-version-one"}}
    fetch = fetcher(vault)
    assert ask(fetch, "vault://old/acme/db#password").secret.reveal() == "of-version-one"
    del vault.kv1["old"]
    vault.put("old", "acme/db", password="of-version-two")
    refused(lambda: ask(fetch, "vault://old/acme/db#password"), CredentialUnresolved, "no such secret")
    assert ask(fetch, "vault://old/acme/db#password").secret.reveal() == "of-version-two"


@pytest.mark.parametrize("kind", ["pki", "transit", "database", "cubbyhole"])
def test_other_engines_are_no_store_of_secrets(vault: VaultServer, kind: str) -> None:
    vault.others["engine"] = kind
    reference = "vault://engine/acme/creds#password"
    refused(lambda: ask(fetcher(vault), reference), CredentialUnresolved, reference, "not lie in a KV store")
    assert vault.paths == ["/v1/sys/internal/ui/mounts/engine/acme/creds"]


def test_a_namespace_of_the_environment(vault: VaultServer) -> None:
    vault.namespaces |= {"team", "team/shop"}
    vault.put("team/shop/kv", "acme/openai", api_key="of-the-namespace")
    for written in ("team/shop", "team/shop/"):
        fetch = fetcher(vault, NAMESPACE=written)
        assert ask(fetch, REFERENCE).secret.reveal() == "of-the-namespace"
        assert vault.seen[-1].headers["x-vault-namespace"] == written
        assert vault.paths[-1] == "/v1/kv/data/acme/openai"


def test_a_namespace_as_the_beginning_of_a_path(vault: VaultServer) -> None:
    vault.namespaces |= {"team", "team/shop"}
    vault.put("team/shop/kv", "acme/openai", api_key="of-the-namespace")
    assert ask(fetcher(vault), "vault://team/shop/kv/acme/openai#api_key").secret.reveal() == "of-the-namespace"
    assert ask(fetcher(vault, NAMESPACE="team"), "vault://shop/kv/acme/openai#api_key").version == "1"
    assert vault.paths[-1] == "/v1/shop/kv/data/acme/openai"


def test_a_store_that_is_called_as_its_namespace(vault: VaultServer) -> None:
    vault.namespaces.add("team")
    vault.put("team/team", "acme/openai", api_key="of-the-namespace")
    assert ask(fetcher(vault, NAMESPACE="team"), "vault://team/acme/openai#api_key").version == "1"
    assert vault.paths[-1] == "/v1/team/data/acme/openai"


@pytest.mark.parametrize("name", ["team\x1b[31m", "tëam", "a\nX-Evil: 1"])
def test_a_namespace_that_can_not_be_sent(vault: VaultServer, name: str) -> None:
    refused(lambda: fetcher(vault, NAMESPACE=name), Unreachable, "VAULT_NAMESPACE")
    assert vault.seen == []


def test_denied_by_the_policy(vault: VaultServer) -> None:
    vault.tokens["narrow"] = Token(below=("kv/data/acme/",))
    fetch = fetcher(vault, TOKEN="narrow")
    assert ask(fetch, REFERENCE).version == "2"
    other = "vault://kv/globex/openai#api_key"
    refused(lambda: ask(fetch, other), CredentialUnresolved, other, "does not permit it", code="secret-store-denied")
    refused(lambda: ask(fetch, "vault://unknown/acme/a#b"), CredentialUnresolved, code="secret-store-denied")
    assert ask(fetch, REFERENCE).version == "2"


def test_every_request_carries_the_header_that_stops_forged_ones(vault: VaultServer) -> None:
    ask(fetcher(vault), REFERENCE)
    assert {request.headers["x-vault-request"] for request in vault.seen} == {"true"}
    assert {request.token for request in vault.seen} == {"root-token"}


def test_a_redirect_is_not_followed_and_the_token_stays(vault: VaultServer) -> None:
    vault.orders_next(says(307, Location=f"{vault.url}/v1/elsewhere"), times=9)
    refused(lambda: ask(fetcher(vault), REFERENCE), Unreachable, "a redirect (307)")
    assert len(vault.seen) == 1


TRICKS = [
    "kv/acme/../globex/key",
    "kv/acme/..%2fglobex/key",
    "kv/acme/%2e%2e/globex/key",
    "kv//acme/openai",
    "/kv/acme/openai",
    "kv/acme/openai/",
    "kv/./acme",
    "kv/acme/.hidden",
    "kv/a..b/c",
    "kv/acme\\..\\globex",
    "kv/acme/ölpreis",
    "kv/acme/\u202eiane",
    "kv/acme/a b",
    "kv/acme/a;b",
    "kv/acme/a&b",
    "kv/acme/a?list=true",
    "kv/acme/a?version=1&list=true",
    "kv/acme/a?version=0",
    "kv/acme/a?version=-1",
    "kv/acme/a\n",
    "kv/acme/a\x00",
    "kv",
    "kv/",
]


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_that_may_be_read_in_two_ways_is_no_reference(path: str) -> None:
    with pytest.raises(ValueError) as caught:
        SecretRef.parse(f"vault://{path}#key")
    assert "acme" not in str(caught.value).replace("vault://kv/acme/openai", "").replace("aws-sm://acme/openai", "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(alphabet="ab./%2e?#&=@+~\\;:é\u202e\n\x00 -_", min_size=1, max_size=20),
        st.from_regex(r"[a-z]{1,3}(/[A-Za-z0-9_@=+.-]{1,4}){1,3}", fullmatch=True),
    )
)
def test_what_goes_over_the_wire_is_the_path_that_was_written(vault: VaultServer, path: str) -> None:
    try:
        reference = SecretRef.parse(f"vault://{path}#key")
    except ValueError:
        return
    written = reference.rest.partition("#")[0]
    vault.seen.clear()
    vault.kv1 = {written.partition("/")[0]: {written.partition("/")[2]: {"key": "found-it"}}}
    vault.kv2 = {}
    if "?" not in written:
        assert ask(fetcher(vault), str(reference)).secret.reveal() == "found-it"
    for request in vault.seen:
        sent = request.path.removeprefix("/v1/").removeprefix("sys/internal/ui/mounts/").partition("?")[0]
        assert unquote(sent) == written.partition("?")[0]
        assert "//" not in sent
        assert ".." not in unquote(sent)
