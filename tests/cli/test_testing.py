"""`reconciler test` and the sweep of a real server: a database, an API and an MCP-less world, well and away."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Db
from tests.runtime.servers import OPERATOR, free_port, served, settings, world_with_data
from tests.runtime.worlds import apply
from tests.store.support import cli_on


class Api(BaseHTTPRequestHandler):
    status = 404
    seen: list[str]

    def do_HEAD(self) -> None:
        type(self).seen.append(self.headers.get("authorization", ""))
        self.send_response(type(self).status)
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_: object) -> None:
        return None


@contextmanager
def api(status: int) -> Iterator[tuple[int, type[Api]]]:
    handler = type("Own", (Api,), {"status": status, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, handler
    finally:
        server.shutdown()
        server.server_close()


def world(folder: Path, port: int) -> dict[str, Any]:
    document = copy.deepcopy(world_with_data(folder))
    document["connectors"]["tickets"] = {
        "type": "http",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": port}],
    }
    document["integrations"] = {"local": {"provider": "ollama", "base_url": f"http://127.0.0.1:{port}"}}
    return document


@pytest.mark.parametrize(
    ("status", "connector", "integration"),
    [
        (404, (0, "healthy"), (1, "failing")),
        (401, (1, "failing"), (1, "failing")),
        (429, (2, "degraded"), (2, "degraded")),
    ],
)
def test_what_an_api_answers_is_its_health(
    db: Db, folder: Path, status: int, connector: tuple[int, str], integration: tuple[int, str]
) -> None:
    with api(status) as (port, seen):
        apply(db, folder, world(folder, port))
        settings(folder, free_port(), free_port())
        run = cli_on(db.url, folder)
        for address, (code, state) in (("connector/tickets", connector), ("integration/local", integration)):
            answer = run("test", f"acme/{address}", "--format", "json").ok(code).json
            assert (answer["state"], answer["address"]) == (state, f"acme/{address}")
        assert len(seen.seen) == 2


def test_a_database_and_an_api_that_is_away(db: Db, folder: Path) -> None:
    apply(db, folder, world(folder, free_port()))
    settings(folder, free_port(), free_port())
    run = cli_on(db.url, folder)
    assert "acme/connector/warehouse is healthy: it answers" in run("test", "acme/connector/warehouse").ok().out
    assert "it can't be reached" in run("test", "acme/connector/tickets").ok(1).out
    assert "[not-live]" in run("test", "acme/connector/ticket").ok(1).err
    run("test", "acme/template/top").ok(64)
    (folder / "data" / "sales.db").unlink()
    assert "is failing: the file is not there" in run("test", "acme/connector/warehouse").ok(1).out


def test_no_address_is_reached_that_nobody_permits(db: Db, folder: Path) -> None:
    with api(200) as (port, seen):
        apply(db, folder, world(folder, port))
        run = cli_on(db.url, folder)  # without a serve.yaml no private network is permitted
        for address in ("connector/tickets", "integration/local"):
            assert "may not be reached" in run("test", f"acme/{address}").ok(1).out
        assert seen.seen == []


def test_a_server_sweeps_what_was_used(db: Db, folder: Path) -> None:
    with served(folder, db) as server:
        top = "/v1/tenants/acme/connectors/warehouse"
        assert server.call("top", region="eu").status_code == 200
        server.until(lambda: (server.operator(f"{top}/status").json()["health"] or {}).get("state") == "healthy", 30)
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        answer = httpx.post(f"{server.operators}{top}/test", headers=headers, timeout=20).json()
        assert (answer["address"], answer["state"]) == ("acme/connector/warehouse", "healthy")
        assert httpx.post(f"{server.operators}{top}x/test", headers=headers, timeout=20).status_code == 404
