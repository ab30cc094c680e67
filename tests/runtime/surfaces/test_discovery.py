"""A client that was given nothing but a URL finds the issuer, logs in there, and gets in by a token for this server alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import httpx2
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

from reconciler.errors import ConfigurationInvalid
from reconciler.load.serve_file import AgentsListener, Issuer, read_serve
from reconciler.runtime.surfaces.discovery import METADATA, Discovery
from tests.conftest import Db
from tests.runtime.servers import free_port, served, settings, start, world_with_data
from tests.runtime.worlds import apply


class LoginServer:
    """An authorization server: its metadata, its keys, and tokens for whatever resource a client names."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        self.asked: list[dict[str, list[str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents = {
                    "/jwks.json": {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]},
                    "/.well-known/oauth-authorization-server": {
                        "issuer": outer.url,
                        "authorization_endpoint": f"{outer.url}/authorize",
                        "token_endpoint": f"{outer.url}/token",
                        "response_types_supported": ["code"],
                    },
                }
                self.answer(documents.get(self.path))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.asked.append(form)
                token = outer.token(aud=form["resource"][0])
                self.answer({"access_token": token, "token_type": "Bearer", "expires_in": 60})

            def answer(self, document: Any) -> None:
                content = json.dumps(document).encode()
                self.send_response(404 if document is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def token(self, **claims: Any) -> str:
        said = {"iss": self.url, "aud": "agents", "exp": int(time.time()) + 60, "azp": "bot", **claims}
        return jwt.encode(said, self.key, "RS256", headers={"kid": "k1"})


class Storage:
    async def get_tokens(self) -> None:
        return None

    async def set_tokens(self, tokens: Any) -> None:
        return None

    async def get_client_info(self) -> None:
        return None

    async def set_client_info(self, client_info: Any) -> None:
        return None


@contextmanager
def public(db: Db, folder: Path, login: LoginServer) -> Iterator[str]:
    """Yield the URL of a server that knows its own address, and trusts the login server's tokens."""
    document = world_with_data(folder)
    document["callers"]["token-bot"] = {
        "roles": ["analyst"],
        "auth": {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}}},
    }
    apply(db, folder, document)
    agents, operators = free_port(), free_port()
    trusted = {"corp": {"jwks_url": f"{login.url}/jwks.json", "issuer": login.url, "audience": "agents"}}
    file = settings(folder, agents, operators, issuers=trusted)
    written = yaml.safe_load(file.read_text())
    written["agents"]["public_url"] = f"http://127.0.0.1:{agents}/"
    file.write_text(yaml.safe_dump(written))
    process = start(folder, db, agents, operators)
    try:
        yield f"http://127.0.0.1:{agents}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(15)
        login.server.shutdown()


def test_the_sdk_logs_in_by_discovery(db: Db, folder: Path) -> None:
    login = LoginServer()

    async def work(url: str) -> None:
        auth = ClientCredentialsOAuthProvider(f"{url}/mcp", Storage(), "bot", "secret", issuer=login.url)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=20) as asked,
            Client(streamable_http_client(f"{url}/mcp", http_client=asked)) as client,
        ):
            done = await client.call_tool("top", {"region": "eu"})
            assert done.structured_content is not None
            assert done.structured_content["result"] == [{"name": "Ann"}]

    with public(db, folder, login) as url:
        asyncio.run(work(url))
        assert [form["resource"] for form in login.asked] == [[f"{url}/mcp"]]


def test_a_token_for_another_server_opens_nothing(db: Db, folder: Path) -> None:
    login = LoginServer()
    with public(db, folder, login) as url:
        port = url.rpartition(":")[2]
        for audience, status in (
            ("agents", 200),
            (f"{url}/mcp", 200),
            (url, 200),
            (["others", f"{url}/mcp"], 200),
            ("others", 401),
            ("", 401),
            (f"{url}/mcp/", 401),
            (f"{url}/v1", 401),
            (f"http://localhost:{port}/mcp", 401),
            (f"https://127.0.0.1:{port}/mcp", 401),
            ([], 401),
            (["others"], 401),
        ):
            headers = {"Authorization": f"Bearer {login.token(aud=audience)}"}
            assert httpx.get(f"{url}/v1/tools", headers=headers, timeout=20).status_code == status, audience


def test_a_refusal_says_where_to_log_in(db: Db, folder: Path) -> None:
    login = {"jwks_url": "https://login.example.com/jwks.json", "issuer": "https://login.example.com", "audience": "a"}
    with served(folder, db, issuers={"corp": login}) as server, httpx.Client(base_url=server.agents) as client:
        base = server.agents
        refused = client.post("/mcp", json={})
        suffixed = f"{METADATA}/mcp"
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{base}{suffixed}"'
        wrong = client.get("/v1/tools", headers={"Authorization": "Bearer x"})
        assert (
            wrong.headers["www-authenticate"] == f'Bearer resource_metadata="{base}{METADATA}", error="invalid_token"'
        )
        common = {"authorization_servers": ["https://login.example.com"], "bearer_methods_supported": ["header"]}
        assert client.get(suffixed).json() == {"resource": f"{base}/mcp", **common}
        assert client.get(METADATA).json() == {"resource": base, **common}
        assert client.get(f"{METADATA}/v1").status_code == 401
        assert client.get(suffixed, headers={"Host": "evil.example"}).status_code == 421
        operator = httpx.get(f"{server.operators}/metrics", timeout=20)
        assert operator.headers["www-authenticate"] == "Bearer"


def test_what_names_the_server() -> None:
    issuer = Issuer(jwks_url="https://a.example/k", issuer="https://a.example", audience="a")
    words = Issuer(jwks_url="https://b.example/k", issuer="corp", audience="a")
    known = Discovery(AgentsListener(public_url="https://agents.example.com/"), {"b": words, "a": issuer})
    assert known.audiences == ("https://agents.example.com", "https://agents.example.com/mcp")
    assert known.metadata(METADATA, "localhost")["resource"] == "https://agents.example.com"
    assert known.metadata(METADATA, "localhost")["authorization_servers"] == ["https://a.example"]
    unknown = Discovery(AgentsListener(), {})
    assert unknown.audiences == ()
    for host, url in (
        ("localhost:8080", "http://localhost:8080"),
        ("[::1]", "http://[::1]"),
        ("agents.example.com", "https://agents.example.com"),
    ):
        assert unknown.metadata(f"{METADATA}/mcp", host) == {
            "resource": f"{url}/mcp",
            "bearer_methods_supported": ["header"],
        }
        assert unknown.challenge("/mcp", host, False) == f'Bearer resource_metadata="{url}{METADATA}/mcp"'


@pytest.mark.parametrize("url", ["agents.example.com", "https://a.example/mcp", "https://u:p@a.example", 'https://a"b'])
def test_a_public_url_is_an_origin(tmp_path: Path, url: str) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "agents": {"public_url": url}}))
    with pytest.raises(ConfigurationInvalid):
        read_serve(file)
