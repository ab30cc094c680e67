"""--probe: what each provider is asked, what an answer means, and where a credential never goes."""

from __future__ import annotations

import http.server
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.integration import PROVIDERS
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.spec import Spec
from reconciler.probe.ask import DEGRADED_MS, ask, judge
from reconciler.probe.calls import Call, Pair, call_of, pairs_of
from tests.conftest import Db, Run, command_environment

INTEGRATION = Address("acme", "integration", "x")
CONNECTOR = Address("acme", "connector", "x")
BARE: dict[str, dict[str, Any]] = {
    "azure_openai": {"base_url": "https://acme.openai.azure.com"},
    "ollama": {"base_url": "http://ollama:11434"},
    "custom": {"base_url": "https://models.example.com/v1"},
    "bedrock": {"config": {"region": "eu-central-1"}},
}


def body(address: Address, raw: dict[str, Any]) -> dict[str, Any]:
    spec = parse(KINDS[address.kind], raw, address)
    assert isinstance(spec, Spec), spec
    return spec.normalised()


def asked(provider: str, **more: Any) -> Call | None:
    raw = {"provider": provider, "credential": "env://KEY", **BARE.get(provider, {}), **more}
    return call_of(INTEGRATION, body(INTEGRATION, raw), lambda reference: f"<{reference}>")


@pytest.mark.parametrize(
    ("provider", "url", "header", "value"),
    [
        ("openai", "https://api.openai.com/v1/models", "Authorization", "Bearer <env://KEY>"),
        ("anthropic", "https://api.anthropic.com/v1/models?limit=1", "x-api-key", "<env://KEY>"),
        (
            "azure_openai",
            "https://acme.openai.azure.com/openai/models?api-version=2024-10-21",
            "api-key",
            "<env://KEY>",
        ),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1",
            "x-goog-api-key",
            "<env://KEY>",
        ),
        ("mistral", "https://api.mistral.ai/v1/models", "Authorization", "Bearer <env://KEY>"),
        ("cohere", "https://api.cohere.com/v1/models", "Authorization", "Bearer <env://KEY>"),
        ("ollama", "http://ollama:11434/api/tags", "Authorization", "Bearer <env://KEY>"),
        ("custom", "https://models.example.com/v1/models", "Authorization", "Bearer <env://KEY>"),
    ],
)
def test_the_cheapest_authenticated_call(provider: str, url: str, header: str, value: str) -> None:
    call = asked(provider)
    assert call is not None
    assert (call.method, call.url, call.headers[header]) == ("GET", url, value)
    assert "KEY" not in repr(call)


def test_every_provider_is_asked_or_known_not_to_be() -> None:
    assert {provider for provider in PROVIDERS if asked(provider) is None} == {"bedrock"}
    assert asked("gemini", config={"project": "p"}) is None
    assert asked("openai", enabled=False) is None


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"type": "none"}, {}),
        ({"type": "bearer", "token": "env://KEY"}, {"Authorization": "Bearer s&cret"}),
        ({"type": "api_key", "key": "env://KEY"}, {"X-API-Key": "s&cret"}),
        ({"type": "basic", "username": "u", "password": "env://KEY"}, {"Authorization": "Basic dTpzJmNyZXQ="}),
    ],
)
def test_an_http_connector_authenticates_as_it_says(auth: dict[str, str], sent: dict[str, str]) -> None:
    raw = {"type": "http", "base_url": "https://api.example.com/v1", "auth": auth, "headers": {"X-A": "1"}}
    call = call_of(CONNECTOR, body(CONNECTOR, raw), lambda _: "s&cret")
    assert call is not None
    assert (call.method, call.url, dict(call.headers)) == ("HEAD", "https://api.example.com/v1", {"X-A": "1", **sent})


def test_a_key_in_the_query_is_quoted_and_oauth2_is_not_asked() -> None:
    auth: dict[str, Any] = {"type": "api_key", "key": "env://KEY", "in": "query", "header": "key"}
    call = call_of(
        CONNECTOR, body(CONNECTOR, {"type": "http", "base_url": "https://a.example", "auth": auth}), lambda _: "s&cret"
    )
    assert call is not None
    assert call.url == "https://a.example?key=s%26cret"
    auth = {"type": "oauth2", "token_url": "https://b.example", "client_id": "c", "client_secret": "env://KEY"}
    raw = {"type": "http", "base_url": "https://a.example", "auth": auth}
    assert call_of(CONNECTOR, body(CONNECTOR, raw), lambda _: "x") is None


def test_a_pair_is_where_and_what() -> None:
    raw = {"provider": "custom", "base_url": "https://Models.example.com/a", "credential": "env://KEY"}
    assert pairs_of(INTEGRATION, raw) == {Pair("acme", "https://models.example.com:443", "env://KEY")}
    assert pairs_of(INTEGRATION, {**raw, "base_url": "https://models.example.com:8443/a"}) != pairs_of(INTEGRATION, raw)
    assert pairs_of(INTEGRATION, {**raw, "base_url": "http://models.example.com/a"}) != pairs_of(INTEGRATION, raw)
    for strange in (
        {},
        {"provider": "openai"},
        {"provider": 7},
        {"provider": "custom", "base_url": "http://[", "credential": 1},
    ):
        pairs_of(INTEGRATION, strange)  # a live body may hold anything


@pytest.mark.parametrize(
    ("status", "latency", "any_answer", "state"),
    [
        (200, 10, False, "healthy"),
        (200, 2000, False, "healthy"),
        (200, 2001, False, "degraded"),
        (200, 5001, False, "failing"),
        (401, 10, False, "failing"),
        (403, 10, True, "failing"),
        (429, 10, False, "degraded"),
        (404, 10, False, "failing"),
        (404, 10, True, "healthy"),
        (302, 10, True, "degraded"),
        (500, 10, True, "failing"),
    ],
)
def test_what_an_answer_means(status: int, latency: int, any_answer: bool, state: str) -> None:
    assert judge(status, latency, any_answer).state == state


class Api:
    """A server on loopback; ``sent`` are the credentials that reached it."""

    def __init__(self) -> None:
        self.sent: list[str | None] = []
        self.status = 200
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.sent.append(self.headers.get("Authorization"))
                self.send_response(api.status)
                self.send_header("Location", "http://127.0.0.1:1/stolen")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def apis() -> Iterator[Callable[[], Api]]:
    made: list[Api] = []

    def make() -> Api:
        made.append(Api())
        return made[-1]

    yield make
    for api in made:
        api.server.shutdown()
        api.server.server_close()


def write(folder: Path, url: str, reference: str = "env://KEY") -> None:
    text = f"version: 1\ntenant: acme\nintegrations:\n  own: {{provider: custom, base_url: '{url}', credential: '{reference}'}}\n"
    (folder / "acme.yaml").write_text(text)


ENV = {"KEY": "the-credential", "OTHER": "the-credential"}


def test_a_credential_goes_only_where_it_was_applied_before(
    run: Run, folder: Path, apis: Callable[[], Api], db: Db
) -> None:
    good, evil = apis(), apis()
    write(folder, good.url)
    first = run("apply", "--probe", "--auto-approve", env=ENV).ok()
    assert "was not asked" in first.err
    assert good.sent == []
    assert "is healthy" in run("validate", "--probe", env=ENV).ok().err
    assert good.sent == ["Bearer the-credential"]

    write(folder, evil.url)
    assert "was not asked" in run("validate", "--probe", env=ENV).ok().err
    write(folder, good.url, "env://OTHER")  # the same host, and another credential
    assert "was not asked" in run("validate", "--probe", env=ENV).ok().err
    # somebody writes into the database, which is no apply
    write(folder, evil.url)
    db.set_field("acme/integration/own", "base_url", evil.url)
    assert "was not asked" in run("validate", "--probe", env=ENV).ok().err
    assert evil.sent == []
    assert good.sent == ["Bearer the-credential"]


def test_what_fails_stops_the_apply(run: Run, folder: Path, apis: Callable[[], Api], db: Db) -> None:
    api = apis()
    write(folder, api.url)
    run("apply", "--auto-approve", env=ENV).ok()
    api.status = 401
    (folder / "acme.yaml").write_text(
        (folder / "acme.yaml").read_text() + "limits: {month: {target: tenant, per: month, requests: 5}}\n"
    )
    refused = run("apply", "--probe", "--auto-approve", env=ENV).ok(1)
    assert "acme/integration/own does not work: it refuses the credential (401)" in refused.err
    assert "acme/limit/month" not in db.rows()
    api.status = 307
    assert "a redirect, which is not followed" in run("apply", "--probe", "--auto-approve", env=ENV).ok().err


def test_a_person_at_the_terminal_may_send_it_elsewhere(folder: Path, tmp_path: Path, apis: Callable[[], Api]) -> None:
    api = apis()
    write(folder, api.url)
    for answer, expected in (("no", []), ("yes", ["Bearer the-credential"])):
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "validate", "--probe"],
            cwd=folder,
            env=command_environment({**ENV, "RECONCILER_DATABASE_URL": f"sqlite:///{tmp_path}/s.db"}),
            stdin=follower,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.write(leader, f"{answer}\n".encode())
        _, told = process.communicate(timeout=60)
        os.close(follower)
        os.close(leader)
        assert f"Send the secret of env://KEY to {api.url}?".encode() in told
        assert process.returncode == 0
        assert api.sent == expected


def test_nobody_waits_for_a_server_that_trickles() -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not done.wait(0.2):
            try:
                connection.sendall(b"x: y\r\n")
            except OSError:
                return

    threading.Thread(target=trickle, daemon=True).start()
    from reconciler.probe.ask import ask_all

    started = time.monotonic()
    call = Call("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", {})
    assert ask_all({INTEGRATION: call})[INTEGRATION].state == "failing"
    assert time.monotonic() - started < 4 * DEGRADED_MS / 1000
    done.set()
    listener.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1", "https://127.0.0.1:1/"])
def test_what_cannot_be_reached_is_failing(url: str) -> None:
    health = ask(Call("GET", url, {"Authorization": "Bearer the-credential"}))
    assert health.state == "failing"
    assert "credential" not in health.reason or "sent" in health.reason


def test_a_credential_that_no_header_takes_is_told_without_it() -> None:
    health = ask(Call("GET", "http://127.0.0.1:1/", {"Authorization": "Bearer line\nbreak-ünï"}))
    assert health.state == "failing"
    assert "break" not in health.reason
