"""``aws-sm://`` against moto's server, and against one that answers as AWS does where moto can't."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from moto.server import ThreadedMotoServer

from reconciler.errors import CredentialUnresolved
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import TRIES, Fetched, Outside, Unreachable
from reconciler.secrets.schemes import aws_sm
from reconciler.secrets.scrub import scrub
from tests.secrets.stores import refused
from tests.secrets.vault_server import VaultServer, resets, says, serving

WHOLE = "aws-sm://acme/openai"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@functools.cache
def _service(path: str) -> Any:
    """The SDK reads its own descriptions of services anew for each client."""
    return load_file(JSONFileLoader(), path)


load_file = JSONFileLoader.load_file


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials that are worth nothing, and nothing of this machine's own."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SECRETS_MANAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-access-key-of-tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr("botocore.loaders.JSONFileLoader.load_file", lambda _, path: _service(path))


@pytest.fixture
def sm(moto: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client to fill the store with, empty for each test; references are asked of the same server."""
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")).close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    return boto3.client("secretsmanager", endpoint_url=moto, region_name="eu-central-1")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[VaultServer]:
    """A server that answers as it is told."""
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def ask(text: str, **environ: str) -> Fetched:
    return aws_sm.connect(Outside(environ, 6.0))("acme", SecretRef.parse(text))


def test_a_whole_value(sm: Any) -> None:
    made = sm.create_secret(Name="acme/openai", SecretString="sk-whole-value")
    found = ask(WHOLE)
    assert (found.secret.reveal(), found.version, found.seconds) == ("sk-whole-value", made["VersionId"], None)


def test_a_key_of_a_json_value_and_all_of_it_is_scrubbed(sm: Any) -> None:
    sm.create_secret(Name="acme/db", SecretString='{"user": "reader-of-db", "password": "pass-of-db"}')
    assert ask("aws-sm://acme/db#password").secret.reveal() == "pass-of-db"
    assert scrub('x {"user": "reader-of-db", "password": "pass-of-db"} pass-of-db') == "x (secret) (secret)"


def test_versions_by_id_and_by_stage(sm: Any) -> None:
    first = sm.create_secret(Name="acme/openai", SecretString="sk-of-the-first")["VersionId"]
    second = sm.put_secret_value(SecretId="acme/openai", SecretString="sk-of-the-second")["VersionId"]
    sm.put_secret_value(SecretId="acme/openai", SecretString="sk-of-the-canary", VersionStages=["canary"])
    assert ask(WHOLE).version == second
    assert ask(f"{WHOLE}?version={first}").secret.reveal() == "sk-of-the-first"
    assert ask(f"{WHOLE}?version=AWSPREVIOUS").secret.reveal() == "sk-of-the-first"
    assert ask(f"{WHOLE}?version=canary").secret.reveal() == "sk-of-the-canary"
    for version in ("nothing", "0" * 32):
        refused(lambda version=version: ask(f"{WHOLE}?version={version}"), CredentialUnresolved, "or version")  # type: ignore[misc]


def test_missing_and_deleted(sm: Any) -> None:
    refused(lambda: ask(WHOLE), CredentialUnresolved, WHOLE, "no such secret", code="credential-unresolved")
    sm.create_secret(Name="acme/openai", SecretString="sk-whole-value")
    sm.delete_secret(SecretId="acme/openai", RecoveryWindowInDays=7)
    refused(lambda: ask(WHOLE), CredentialUnresolved, "being deleted")


def test_binary(sm: Any) -> None:
    sm.create_secret(Name="acme/openai", SecretBinary=b"\x00\xff")
    refused(lambda: ask(WHOLE), CredentialUnresolved, "binary")
    refused(lambda: ask(f"{WHOLE}#key"), CredentialUnresolved, "binary")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("sk-plain-text", "no JSON object"),
        ('["sk-plain-text"]', "no JSON object"),
        ("[" * 20_000, "no JSON object"),
        ('{"other": "sk-plain-text"}', "no key key"),
        ('{"key": true, "other": "sk-plain-text"}', "neither text nor a number"),
        ('{"key": {"a": "sk-plain-text"}}', "neither text nor a number"),
        ('{"key": "\\ud800 sk-plain-text"}', "no JSON object"),
    ],
)
def test_a_key_of_what_has_none(sm: Any, value: str, words: str) -> None:
    sm.create_secret(Name="acme/openai", SecretString=value)
    assert "sk-" not in refused(lambda: ask(f"{WHOLE}#key"), CredentialUnresolved, f"{WHOLE}#key", words)


def test_the_region_as_other_programs_name_it(sm: Any, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = boto3.client("secretsmanager", endpoint_url=moto, region_name="us-west-2")
    there.create_secret(Name="acme/openai", SecretString="sk-of-the-west")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    refused(lambda: ask(WHOLE), Unreachable, "no AWS region", "AWS_REGION")
    assert ask(WHOLE, AWS_REGION="us-west-2").secret.reveal() == "sk-of-the-west"


def aws_error(code: str, status: int = 400) -> Any:
    message = "User: arn:aws:iam::123456789012:user/ci may not read sk-plain-text"
    return says(status, {"__type": code, "message": message}, **{"Content-Type": "application/x-amz-json-1.1"})


@pytest.mark.parametrize(
    ("code", "status", "kind", "requests", "words"),
    [
        ("AccessDeniedException", 400, CredentialUnresolved, 1, "does not permit it (AccessDeniedException)"),
        ("UnrecognizedClientException", 400, Unreachable, 1, "refuses the AWS credentials"),
        ("ExpiredTokenException", 400, Unreachable, 1, "refuses the AWS credentials"),
        ("InvalidSignatureException", 400, Unreachable, 1, "refuses the AWS credentials"),
        ("DecryptionFailure", 400, CredentialUnresolved, 1, "answers with DecryptionFailure"),
        ("InvalidParameterException", 400, CredentialUnresolved, 1, "answers with InvalidParameterException"),
        ("ThrottlingException", 400, Unreachable, TRIES, "answers with ThrottlingException"),
        ("InternalServiceError", 500, Unreachable, TRIES, "answers with InternalServiceError"),
        ("ServiceUnavailable", 503, Unreachable, TRIES, "answers with ServiceUnavailable"),
        ("\x1b[31mred sk-plain-text", 400, CredentialUnresolved, 1, "answers with an error"),
    ],
)
def test_what_aws_refuses(
    aws: VaultServer, code: str, status: int, kind: type[CredentialUnresolved], requests: int, words: str
) -> None:
    aws.orders_next(aws_error(code, status), times=9, where="/")
    text = refused(lambda: ask(WHOLE), kind, WHOLE, words)
    assert "sk-" not in text
    assert "123456789012" not in text
    assert len(aws.seen) == requests


def test_throttled_once(aws: VaultServer) -> None:
    aws.orders_next(aws_error("ThrottlingException"), where="/")
    aws.orders_next(says(200, {"Name": "acme/openai", "SecretString": "sk-after-all", "VersionId": "v"}), where="/")
    assert ask(WHOLE).secret.reveal() == "sk-after-all"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b'{"SecretString": 7}', b'{"SecretString": null}'])
def test_an_answer_of_another_shape(aws: VaultServer, body: bytes) -> None:
    aws.orders_next(says(200, body), times=9, where="/")
    with pytest.raises(CredentialUnresolved) as caught:
        ask(WHOLE)
    assert WHOLE in str(caught.value)


def test_unreachable(aws: VaultServer) -> None:
    aws.orders_next(resets, times=9, where="/")
    refused(lambda: ask(WHOLE), Unreachable, "can't be reached")


def test_a_redirect_is_not_followed(aws: VaultServer) -> None:
    aws.orders_next(says(307, b"", Location=f"{aws.url}/elsewhere"), times=9, where="/")
    with pytest.raises(CredentialUnresolved):
        ask(WHOLE)
    assert "/elsewhere" not in aws.paths


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as gone:
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", gone.url)
    refused(lambda: ask(WHOLE), Unreachable, "EndpointConnectionError", code="secret-store-unreachable")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_ENDPOINT_URL", "no-url", "gives up"),
        ("AWS_PROFILE", "nobody", "ProfileNotFound"),
        ("AWS_DEFAULT_REGION", "not a region!", "gives up"),
    ],
)
def test_settings_that_are_wrong(
    aws: VaultServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    if name == "AWS_PROFILE":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv(name, value)
    refused(lambda: ask(WHOLE), Unreachable, WHOLE, words)
    assert aws.seen == []


def test_no_credentials(aws: VaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    refused(lambda: ask(WHOLE), Unreachable, "no AWS credentials")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    refused(lambda: ask(WHOLE), Unreachable, "no AWS credentials")
    assert aws.seen == []


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    refused(lambda: ask(WHOLE), Unreachable, "pip install 'config-reconciler[aws]'")
