"""`serve` in a process of its own, asked by real clients: the official MCP client, HTTP, operators."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.conftest import ROOT, Db, command_environment
from tests.runtime.servers import OPERATOR, Served, served, settings, world_with_data
from tests.runtime.worlds import apply
from tests.store.support import cli_on


def mcp(server: Served, work: Any, key: str | None = None) -> Any:
    async def main() -> Any:
        headers = {"Authorization": f"Bearer {key or server.key}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=20) as client,
            streamable_http_client(f"{server.agents}/mcp", http_client=client) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            return await work(session)

    return asyncio.run(main())


def test_the_official_client_lists_calls_and_is_refused(db: Db, folder: Path) -> None:
    document = world_with_data(folder)
    document["policies"]["no-writes"] = {"effect": "deny", "subjects": "any", "actions": ["write"], "targets": "any"}

    async def work(session: ClientSession) -> None:
        tools = (await session.list_tools()).tools
        assert [tool.name for tool in tools] == ["top"]
        assert tools[0].input_schema["required"] == ["region"]
        assert tools[0].annotations is not None
        assert tools[0].annotations.read_only_hint is True
        result = await session.call_tool("top", {"region": "eu"})
        assert not result.is_error
        assert result.structured_content["result"] == [{"name": "Ann"}]
        wrong = await session.call_tool("top", {"region": 5})
        assert wrong.is_error
        assert wrong.structured_content["code"] == "invalid-values"
        told = []
        for name in ("add", "nothing", "top/../x"):
            with pytest.raises(MCPError) as caught:
                await session.call_tool(name, {})
            told.append(str(caught.value))
        assert len({*told}) == 1  # denied and missing are the same

    with served(folder, db, document) as server:
        mcp(server, work)
        found = server.evidence()
        assert [(one["decision"], one.get("outcome", one.get("reason"))) for one in reversed(found)][:2] == [
            ("allow", "success"),
            ("deny", "invalid-values"),
        ]
        assert {"denied", "unknown-target"} <= {one.get("reason") for one in found}


def test_a_run_is_ascii(db: Db, folder: Path) -> None:
    """A header's bytes beyond ASCII have no meaning that both sides agree on: they are refused, and never kept as something else."""
    with served(folder, db) as server, server.client() as client:
        for run, status in ((b"run \xc3\xbc", 400), (b"run \xfc", 400), (b"x" * 129, 400), (b"a b~" + b"x" * 124, 200)):
            headers = [(b"X-Run-Id", run)]
            answer = client.post("/v1/tools/top/call", json={"arguments": {"region": "eu"}}, headers=headers)
            assert answer.status_code == status, answer.text
            if status == 400:
                assert (answer.json()["code"], answer.json()["title"]) == (
                    "invalid-run",
                    "X-Run-Id has at most 128 visible ASCII characters and spaces.",
                )
        assert [one["run"] for one in server.evidence()] == ["a b~" + "x" * 124]


def test_http(db: Db, folder: Path) -> None:
    with served(folder, db) as server, server.client(headers={"X-Run-Id": "run-1"}) as client:
        tools = client.get("/v1/tools").json()["tools"]
        assert [tool["name"] for tool in tools] == ["add", "top"]
        first = client.get("/v1/tools", params={"limit": 1}).json()
        assert [tool["name"] for tool in first["tools"]] == ["add"]
        second = client.get("/v1/tools", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert ([tool["name"] for tool in second["tools"]], "next_cursor" in second) == (["top"], False)
        assert client.get("/v1/tools/top").json() == tools[1]
        done = client.post("/v1/tools/top/call", json={"arguments": {"region": "eu"}})
        assert (done.status_code, done.json()["result"], done.json()["rows"]) == (200, [{"name": "Ann"}], 1)
        told = server.operator(f"/v1/tenants/acme/evidence/{done.json()['evidence_id']}").json()
        assert (told["run"], told["outcome"], told["target"]) == ("run-1", "success", "template/top")
        missing, foreign = (client.post(f"/v1/tools/{name}/call", json={}) for name in ("none", "other"))
        assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
        assert {**missing.json(), "evidence_id": ""} == {**foreign.json(), "evidence_id": ""}
        wrong = client.post("/v1/tools/top/call", json={"arguments": {"region": "x" * 30}})
        assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")
        assert wrong.json()["errors"] == [{"parameter": "region", "message": "this is longer than `max_length`"}]
        for path, options, status in (
            ("/v1/tools/top/call", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
            ("/v1/tools/top/call", {"content": b"[]", "headers": {"Content-Type": "application/json"}}, 400),
            (
                "/v1/tools/top/call",
                {"content": b"a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
                415,
            ),
            ("/v1/tools/top/call", {"content": b" " * 2_000_000, "headers": {"Content-Type": "application/json"}}, 413),
            ("/v1/tools/top/call", {"json": {"values": {}}}, 422),
            ("/v1/nothing", {"json": {}}, 404),
            ("/v1/tools", {"json": {}}, 405),
        ):
            answer = client.post(path, **options)
            assert (answer.status_code, answer.json()["status"]) == (status, status), path
        assert client.get("/v1/tools", params={"cursor": "ü"}).status_code == 400
        plane = client.post("/v1/planes/desk/query", json={"arguments": {"region": "eu"}})
        assert plane.status_code == 404  # no policy names the plane


DOORS: list[tuple[dict[str, str], int]] = [
    ({"Authorization": ""}, 401),
    ({"Authorization": "Bearer rk_0000000000000000_x"}, 401),
    ({"Authorization": "Basic abc"}, 401),
    ({"Host": "evil.example"}, 421),
    ({"Host": "localhost"}, 200),
    ({"Origin": "https://evil.example"}, 403),
    ({"X-Tenant": "globex"}, 200),
]


def test_the_door(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        for headers, status in DOORS:
            with server.client(headers=headers) as client:
                assert client.get("/v1/tools").status_code == status, headers
                by_mcp = client.post("/mcp", json={}).status_code
                assert by_mcp == status or (status == 200 and by_mcp < 500), headers
        assert not server.evidence()  # who is nobody makes metrics only
        assert httpx.get(f"{server.agents}/healthz").text == "ok\n"


def test_a_refusal_says_which_token_is_wanted(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        told = {
            url + path: httpx.get(url + path, timeout=20)
            for url in (server.operators, server.agents)
            for path in ("/metrics", "/v1/evidence", "/v1/tools")
        }
    assert {answer.status_code for answer in told.values()} == {401}
    assert all(answer.json()["title"].startswith("Authentication required. ") for answer in told.values())
    for url in (server.operators, server.agents):
        assert "serve.yaml's `operators` with the scope `metrics`" in told[f"{url}/metrics"].json()["title"]
    assert "`reconciler keys issue`" in told[f"{server.agents}/v1/tools"].json()["title"]


def test_operators_are_apart(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        server.call("top", region="eu")
        assert server.operator("/v1/tenants/acme/evidence", token=server.key).status_code == 401
        assert server.operator("/v1/tools").status_code == 404
        with server.client(OPERATOR) as client:
            assert client.get("/v1/tools").status_code == 401
        with server.client() as client:
            assert {client.get(path).status_code for path in ("/metrics", "/v1/tenants/acme/evidence")} == {404}
        assert server.evidence("globex") == []
        metrics = server.metrics()
        assert metrics["reconciler_calls_total", "success"] == 1
        assert metrics["reconciler_refused_requests_total", "unauthenticated", "operators", ""] == 1
        assert metrics["reconciler_refused_requests_total", "not-found", "http", "acme"] == 2
        assert metrics["reconciler_request_seconds_count", "2xx", "http"] == 1
        assert metrics["reconciler_store_bytes",] > 10_000
        assert metrics["reconciler_store_alarm",] == 0
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        with httpx.Client(base_url=server.operators, headers=headers) as client:
            told = client.post(
                "/v1/tenants/acme/access/explain", json={"caller": "bot", "target": "template/top"}
            ).json()
            assert (told["decision"], told["policy"]) == ("allow", "policy/read")
            (listed,) = client.get("/v1/tenants/acme/connectors").json()["connectors"]
            assert (listed["name"], listed["type"], listed["project"], listed["generation"]) == (
                "warehouse",
                "sql",
                "shop",
                1,
            )
            assert (listed["drifted"], listed["suspended"], listed["frozen"]) == (False, False, False)
            assert client.get("/v1/tenants/acme/connectors/warehouse").json()["spec"]["dialect"] == "sqlite"
            assert client.get("/v1/tenants/acme/connectors/none").status_code == 404
            assert client.get("/v1/tenants/globex/connectors").json() == {"connectors": []}
            pages = [client.get("/v1/tenants/acme/templates?limit=1").json()]
            pages.append(client.get(f"/v1/tenants/acme/templates?limit=1&cursor={pages[0]['next_cursor']}").json())
            assert [one["name"] for told in pages for one in told["templates"]] == ["add", "top"]
            refused = client.put("/v1/tenants/acme/connectors/warehouse", json={})
            assert (refused.status_code, refused.json()["code"]) == (405, "declared-in-git")
            body = {"target": "acme/template/top", "reason": "incident"}
            assert client.post("/v1/tenants/acme/freezes", json=body).json()["changed"] is True
            assert (
                client.post("/v1/tenants/acme/freezes", json={**body, "target": "globex/template/x"}).status_code == 422
            )
            server.until(lambda: server.call("top", region="eu").status_code == 404)
            assert [one["target"] for one in client.get("/v1/tenants/acme/freezes").json()["freezes"]] == [
                "acme/template/top"
            ]
            assert client.request("DELETE", "/v1/tenants/acme/freezes", json=body).json()["changed"] is True
            lifted = client.request("DELETE", "/v1/tenants/acme/freezes", json=body)
            assert (lifted.status_code, lifted.json()["code"]) == (404, "not-frozen")
            unknown = {**body, "target": "acme/template/tap"}
            for method in ("POST", "DELETE"):
                refused = client.request(method, "/v1/tenants/acme/freezes", json=unknown)
                assert (refused.status_code, refused.json()["code"]) == (404, "unknown-target")
            assert (
                "did you mean acme/template/top?"
                in client.post("/v1/tenants/acme/freezes", json=unknown).json()["title"]
            )
            ahead = client.post("/v1/tenants/acme/freezes", json={**unknown, "allow_unknown": True})
            assert ahead.json()["changed"] is True
            (waiting,) = client.get("/v1/tenants/acme/freezes").json()["freezes"]
            assert (waiting["target"], waiting["state"], waiting["uid"]) == ("acme/template/tap", "waiting", None)
            server.until(lambda: server.call("top", region="eu").status_code == 200)


def test_a_revoked_key_is_out_of_use_within_a_second(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        assert server.call("top", region="eu").status_code == 200
        server.command("keys", "revoke", "acme/bot", server.key.split("_")[1])
        time.sleep(0.9)
        assert server.call("top", region="eu").status_code == 401


def test_limits_say_when_to_come_again(db: Db, folder: Path) -> None:
    document = world_with_data(folder)
    document["limits"] = {"day": {"target": "tenant", "per": "day", "requests": 1}}
    with served(folder, db, document) as server:
        assert server.call("top", region="eu").status_code == 200
        with server.client() as client:
            own = client.get("/v1/limits").json()["limits"]
        day = {"target": "tenant", "unit": "requests", "period": "day", "limit": 1, "used": 1, "percent": 100.0}
        assert own == [{**day, "on_exceed": "block"}]
        assert server.operator("/v1/tenants/acme/limits").json()["limits"] == own
        assert server.operator("/v1/tenants/globex/limits").json()["limits"] == []
        answer = server.call("top", region="eu")
        assert (answer.status_code, answer.json()["code"]) == (429, "limit-exceeded")
        assert 0 < int(answer.headers["Retry-After"]) <= 86401


class Issuer:
    """An issuer of tokens with its keys at a URL."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        keys = json.dumps({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_: Any) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"

    def token(self, key: Any = None, algorithm: str = "RS256", kid: str = "k1", **claims: Any) -> str:
        said = {"iss": "https://corp", "aud": "agents", "exp": int(time.time()) + 60, "azp": "bot", **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key or self.key, algorithm, headers={"kid": kid})


def test_tokens(db: Db, folder: Path) -> None:
    document = world_with_data(folder)
    roles = {"claim": "groups", "map": {"crm": "analyst"}}
    document["callers"]["token-bot"] = {
        "auth": {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}, "roles_from": roles}}
    }
    issuer = Issuer()
    trusted = {"corp": {"jwks_url": issuer.url, "issuer": "https://corp", "audience": "agents"}}
    other = rsa.generate_private_key(65537, 2048)
    with served(folder, db, document, issuers=trusted) as server:

        def asked(token: str) -> tuple[int, list[str]]:
            with server.client(token) as client:
                answer = client.get("/v1/tools")
                return answer.status_code, [tool["name"] for tool in answer.json().get("tools", [])]

        assert asked(issuer.token(groups=["crm", "x"])) == (200, ["add", "top"])
        assert asked(issuer.token()) == (200, [])  # proved, and without a role that may do anything
        for bad in (
            issuer.token(exp=int(time.time()) - 35),
            issuer.token(exp=None),
            issuer.token(aud="others"),
            issuer.token(iss="https://evil"),
            issuer.token(azp="other"),
            issuer.token(key=other),
            issuer.token(key="x" * 32, algorithm="HS256"),
            jwt.encode({"iss": "https://corp", "aud": "agents", "exp": 9999999999, "azp": "bot"}, None, "none"),
            "a.b.c",
            "x" * 5000,
        ):
            assert asked(bad)[0] == 401
        second = copy.deepcopy(document)
        second["callers"]["twin"] = {"auth": {"jwt": {"issuer": "corp", "claims": {"aud": "agents"}}}}
        apply(db, folder, second)
        server.until(lambda: asked(issuer.token(groups=["crm"]))[0] == 401)  # two callers fit: it is neither
    issuer.server.shutdown()


def test_calls_leave_nothing_behind(db: Db, folder: Path) -> None:
    """MCP's sessions are full of circles, which only the cyclic collector takes apart."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "method": "tools/call", "id": 1}
    body["params"] = {"name": "top", "arguments": {"region": "eu"}, "_meta": meta}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "top"}
    headers["Accept"] = "application/json, text/event-stream"
    with served(folder, db) as server, server.client(headers=headers) as client:
        process = psutil.Process(server.process.pid)

        def calls(count: int) -> int:
            for _ in range(count):
                answer = client.post("/mcp", json=body).json()
                assert answer["result"]["structuredContent"]["result"] == [{"name": "Ann"}]
            return process.memory_info().rss

        calls(300)
        before = calls(100)
        assert calls(1500) - before < 4 * 2**20


def test_stdio_for_one_caller(db: Db, folder: Path) -> None:
    apply(db, folder, world_with_data(folder))
    settings(folder, 1, 2)
    env = command_environment(
        {"PYTHONPATH": str(ROOT), "RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
    )
    arguments = [
        "-m",
        "reconciler",
        "serve",
        "--config",
        "serve.yaml",
        "--stdio",
        "acme/bot",
        "--store",
        f"sqlite:///{folder}/r.db",
    ]

    async def main() -> None:
        parameters = StdioServerParameters(command=sys.executable, args=arguments, env=env, cwd=folder)
        async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            assert [tool.name for tool in (await session.list_tools()).tools] == ["add", "top"]
            result = await session.call_tool("top", {"region": "us"})
            assert result.structured_content["result"] == [{"name": "Bob"}]

    asyncio.run(main())


def test_it_ends_when_it_is_told_to(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        server.call("top", region="eu")
        os.killpg(server.process.pid, signal.SIGTERM)
        assert server.process.wait(10) == 0
    assert "Traceback" not in server.log.read_text()


def test_it_says_what_keeps_it_from_starting(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    assert "apply something first" in run("serve", "--store", f"sqlite:///{folder}/r.db").err
    (folder / "serve.yaml").write_text("version: 1\nagents: {prot: 1}\n")
    wrong = run("serve", "--config", "serve.yaml").ok(3).err
    assert "serve.yaml:2:10" in wrong
    assert "did you mean `port`?" in wrong
    assert "[store-not-apart]" in run("serve", "--store", db.url).ok(6).err
    apply(db, folder, world_with_data(folder))
    (folder / "bad.db").write_text("this is no database, and is longer than a header has to be" * 20)
    for store in (f"sqlite:///{folder}/bad.db", f"sqlite:///{folder}", "postgresql://nobody:sesame@127.0.0.1:1/none"):
        said = run("serve", "--store", store).ok(1).err
        assert "can't be used as the runtime's store" in said
        assert "sesame" not in said
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (folder / "serve.yaml").write_text(f"version: 1\nagents: {{port: {taken.getsockname()[1]}}}\n")
        said = run("serve", "--config", "serve.yaml").ok(1)
        assert "[listener-unusable]" in said.err
        assert "Listening" not in said.err
