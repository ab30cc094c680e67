"""What others say of our MCP: the conformance suite of the protocol, the inspector's command line, the official SDK."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.conftest import ROOT, Db, command_environment
from tests.counterparts import CONFORMANCE, INSPECTOR, node, packages
from tests.runtime.servers import Served, free_port, served, settings, world_with_data
from tests.runtime.worlds import apply

REVISIONS = ("2025-11-25", "2026-07-28")
LEAST = {"tools-list", "tools-call-simple-text", "tools-call-error", "dns-rebinding-protection"}
OFFERED = {
    "2025-11-25": LEAST | {"server-initialize", "ping"},
    "2026-07-28": LEAST | {"server-stateless", "http-header-validation", "caching"},
}


@contextmanager
def proxy(server: Served) -> Iterator[str]:
    """Yield the URL of a proxy that adds the key, and hands on everything else as it comes."""
    port = urlsplit(server.agents).port

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            asked.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in (*self.headers.items(), ("Authorization", f"Bearer {server.key}")):
                asked.putheader(name, value)
            asked.endheaders(body)
            answer = asked.getresponse()
            content = answer.read()
            asked.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: Any) -> None:
            return None

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """The suite cuts some connections."""

    found = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{found.server_port}/mcp"
    finally:
        found.shutdown()
        found.server_close()
        thread.join()


def with_fixtures(folder: Path) -> dict[str, Any]:
    """The suite's tools, as far as templates can be them."""
    document = world_with_data(folder)
    port = free_port()
    document["connectors"]["nobody"] = {
        "type": "http",
        "base_url": f"http://127.0.0.1:{port}",
        "allowed_methods": ["GET"],
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": port}],
    }
    document["templates"] = {
        name.replace("_", "-"): {
            "type": "sql",
            "datasource": "sales",
            "sql": "SELECT 'This is a simple text response for testing.' AS text",
            "tool_name": name,
        }
        for name in ("test_simple_text", "test_logging_tool", "test_streaming_elicitation")
    }
    document["templates"]["fails"] = {
        "type": "http",
        "connector": "nobody",
        "method": "GET",
        "path": "/",
        "tool_name": "test_error_handling",
    }
    document["planes"] = {}
    for template in document["templates"].values():
        template["description"] = "A tool of the conformance suite."
    return document


def left_out() -> list[str]:
    """Return the patterns of `scenario` and `scenario:check` that docs/serving-mcp.md leaves out, each with a reason."""
    text = (ROOT / "docs" / "serving-mcp.md").read_text()
    section = text.partition("## Conformance")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \| (\S[^|]*) \|$", section, re.MULTILINE)
    return [pattern for names, _reason in rows for pattern in re.findall(r"`([^`]+)`", names)]


def test_the_conformance_suite_fails_nothing_that_is_offered(db: Db, folder: Path) -> None:
    suite = str(packages() / CONFORMANCE)
    listed = re.findall(r"^ *- (\S+) \[", node(suite, "list", "--server").stdout, re.MULTILINE)
    patterns, used, ran = left_out(), set[str](), set[str]()
    assert len(listed) > 60
    with served(folder, db, with_fixtures(folder)) as server, proxy(server) as url:
        for revision in REVISIONS:
            results = folder / revision
            node(suite, "server", "--url", url, "--requirements", revision, "-o", str(results), timeout=240)
            found = {}
            for file in results.glob("*/checks.json"):
                found[re.sub(r"^server-(.*)-20\d\d-\d\d-\d\dT.*$", r"\1", file.parent.name)] = json.loads(
                    file.read_text()
                )
            assert OFFERED[revision] <= {*found}
            for scenario, checks in found.items():
                if taken := _taken(scenario, patterns):
                    used |= taken
                    assert scenario not in OFFERED[revision]
                    continue
                for check in checks:
                    if check["status"] == "FAILURE":
                        taken = _taken(f"{scenario}:{check['id']}", patterns)
                        assert taken, (revision, scenario, check["id"], check.get("errorMessage"))
                        used |= taken
                assert any(check["status"] == "SUCCESS" for check in checks), scenario
                ran.add(scenario)
    unheard = {one for one in listed if one not in ran}
    used |= {pattern for one in unheard for pattern in _taken(one, patterns)}
    assert not [one for one in unheard if not _taken(one, patterns)], (
        "not offered, and no reason in docs/serving-mcp.md"
    )
    assert not {*patterns} - used, "docs/serving-mcp.md leaves out what is not in the suite, or passes"
    assert "Traceback" not in server.log.read_text()


def _taken(name: str, patterns: Sequence[str]) -> set[str]:
    return {pattern for pattern in patterns if fnmatchcase(name, pattern)}


def inspected(*arguments: str, env: dict[str, str] | None = None) -> Any:
    package = packages() / INSPECTOR
    program = json.loads((package / "package.json").read_text())["bin"]["mcp-inspector"]
    done = node(str(package / program), "--cli", *arguments, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_inspector_over_http(db: Db, folder: Path) -> None:
    home = {"HOME": str(folder)}
    with served(folder, db) as server:
        common = (f"{server.agents}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {server.key}")
        tools = inspected(*common, "--method", "tools/list", env=home)["tools"]
        assert [tool["name"] for tool in tools] == ["add", "top"]
        call = ("--method", "tools/call", "--tool-name", "top", "--tool-arg", "region=eu")
        meta = ("--tool-metadata", "reconciler/run-id=inspected")
        done = inspected(*common, *call, *meta, env=home)
        assert done["structuredContent"]["result"] == [{"name": "Ann"}]
        told = server.operator(f"/v1/tenants/acme/evidence/{done['_meta']['reconciler/evidence-id']}").json()
        assert (told["run"], told["outcome"]) == ("inspected", "success")


def stdio(db: Db, folder: Path) -> tuple[list[str], dict[str, str]]:
    apply(db, folder, world_with_data(folder))
    settings(folder, 1, 2)
    env = {"PYTHONPATH": str(ROOT), "RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
    config, store = str(folder / "serve.yaml"), f"sqlite:///{folder}/r.db"
    arguments = ["-m", "reconciler", "serve", "--config", config, "--stdio", "acme/bot", "--store", store]
    return arguments, env


def test_the_inspector_over_stdio(db: Db, folder: Path) -> None:
    arguments, env = stdio(db, folder)
    server = {"command": sys.executable, "args": arguments, "env": command_environment(env), "cwd": str(folder)}
    (folder / "inspector.json").write_text(json.dumps({"mcpServers": {"here": server}}))
    call = ("--method", "tools/call", "--tool-name", "top", "--tool-arg", "region=eu")
    chosen = ("--config", str(folder / "inspector.json"), "--server", "here")
    done = inspected(*chosen, *call, env={"HOME": str(folder)})
    assert done["structuredContent"]["result"] == [{"name": "Ann"}]


async def used(client: Client) -> None:
    assert [tool.name for tool in (await client.list_tools()).tools] == ["add", "top"]
    done = await client.call_tool("top", {"region": "eu"}, meta={"reconciler/run-id": "sdk"})
    assert done.structured_content is not None
    assert done.structured_content["result"] == [{"name": "Ann"}]
    assert done.meta is not None
    assert done.meta["reconciler/evidence-id"] == done.structured_content["evidence_id"]
    wrong = await client.call_tool("top", {"region": 5})
    assert wrong.is_error
    with pytest.raises(MCPError) as caught:
        await client.call_tool("none", {})
    assert caught.value.error.code == -32602


MODES = [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]


def test_the_sdk_over_http(db: Db, folder: Path) -> None:
    async def work(server: Served, mode: str, version: str) -> None:
        headers = {"Authorization": f"Bearer {server.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=20) as asked:
            transport = streamable_http_client(f"{server.agents}/mcp", http_client=asked)
            async with Client(transport, mode=mode) as client:
                assert client.protocol_version == version
                await used(client)

    with served(folder, db) as server:
        for mode, version in MODES:
            asyncio.run(work(server, mode, version))


def test_the_sdk_over_stdio(db: Db, folder: Path) -> None:
    arguments, env = stdio(db, folder)

    async def work(mode: str, version: str) -> None:
        parameters = StdioServerParameters(
            command=sys.executable, args=arguments, env=command_environment(env), cwd=folder
        )
        async with Client(parameters, mode=mode) as client:
            assert client.protocol_version == version
            await used(client)

    for mode, version in MODES[:2]:
        asyncio.run(work(mode, version))
