"""Servers that are killed, and two that have to agree."""

from __future__ import annotations

import copy
import os
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

from tests.campaigns.serve_kills import campaign
from tests.conftest import Db
from tests.runtime.servers import free_port, served, start, wait_for, world_with_data
from tests.runtime.worlds import apply
from tests.store.support import cli_on


def test_what_was_seen_outside_is_in_evidence(db: Db, folder: Path) -> None:
    """The bounded default of tests/campaigns/serve_kills.py."""
    found = campaign(db, folder, rounds=4, seed=5)
    assert found["seen"] > 0
    assert (found["seen_without_intent"], found["seen_twice"]) == ([], [])
    assert "running" not in found["outcomes"]
    assert found["slots"] == 0
    assert sum(found["outcomes"].values()) == found["intents"]


SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"


def test_two_servers_agree_within_a_second(db: Db, folder: Path) -> None:
    document = world_with_data(folder)
    document["templates"]["slow"] = {"type": "sql", "datasource": "sales", "sql": SLOW, "timeout_seconds": 30}
    with served(folder, db, document) as first:
        agents, operators = free_port(), free_port()
        second = start_second(folder, db, agents, operators)
        try:
            both = [first.agents, f"http://127.0.0.1:{agents}"]

            def statuses(tool: str = "top") -> list[int]:
                found = []
                for base in both:
                    first.agents = base
                    found.append(first.call(tool, **({"region": "eu"} if tool == "top" else {})).status_code)
                first.agents = both[0]
                return found

            assert statuses() == [200, 200]
            answers: list[int] = []
            running = threading.Thread(target=lambda: answers.extend(statuses("slow")[:1]))
            running.start()
            time.sleep(0.7)
            first.command("freeze", "acme/connector/warehouse", "--reason", "incident")
            begun = time.monotonic()
            running.join(20)
            assert answers == [503]  # what ran was cancelled
            assert time.monotonic() - begun < 6
            assert statuses() == [404, 404]
            first.command("unfreeze", "acme/connector/warehouse", "--reason", "over")
            time.sleep(0.9)
            assert statuses() == [200, 200]
            gone = copy.deepcopy(document)
            del gone["policies"]["read"]
            apply(db, folder, gone)
            time.sleep(0.9)
            assert statuses() == [404, 404]
            apply(db, folder, document)
            time.sleep(0.9)
            assert statuses() == [200, 200]
            first.command("keys", "revoke", "acme/bot", first.key.split("_")[1])
            time.sleep(0.9)
            assert statuses() == [401, 401]
            cli_on(db.url, folder)("rollback", "1", "--auto-approve", "--allow-deletes", "9")
            time.sleep(0.9)
            assert statuses() == [401, 401]  # no rollback revives a key
        finally:
            os.killpg(second.pid, signal.SIGTERM)
            second.wait(15)


def start_second(folder: Path, db: Db, agents: int, operators: int) -> subprocess.Popen[str]:
    """On the same store, with a port of its own."""
    text = (folder / "serve.yaml").read_text()
    from tests.runtime.servers import settings

    settings(folder, agents, operators)
    process = start(folder, db, agents, operators)
    (folder / "serve.yaml").write_text(text)
    wait_for(f"http://127.0.0.1:{agents}", process)
    return process


CANARY = "CANARY-secret-7f3a9c"


def test_no_credential_is_anywhere(db: Db, folder: Path) -> None:
    """One in the connector's DSN, one in an API's token; the API answers with what it was sent, and then with nothing good."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'{{"token": "{self.headers["Authorization"]}"}}'.encode()
            status = 500 if self.path.endswith("bad") else 200
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status == 200 else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    api = HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    document = world_with_data(folder)
    document["connectors"]["api"] = {
        "type": "http",
        "base_url": f"http://127.0.0.1:{api.server_port}",
        "auth": {"type": "bearer", "token": "env://API_TOKEN"},
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": api.server_port}],
    }
    document["connectors"]["other"] = {"type": "sql", "dialect": "postgresql", "dsn": "env://OTHER_DSN"}
    document["datasources"]["other"] = {"type": "database", "connector": "other"}
    document["templates"]["good"] = {"type": "http", "connector": "api", "method": "GET", "path": "/good"}
    document["templates"]["bad"] = {"type": "http", "connector": "api", "method": "GET", "path": "/bad"}
    document["templates"]["far"] = {"type": "sql", "datasource": "other", "sql": "SELECT 1 AS one"}
    env = {"API_TOKEN": CANARY, "OTHER_DSN": f"postgresql://me:{CANARY}@127.0.0.1:1/x"}
    permits = {"env": ["API_TOKEN", "OTHER_*"], "sqlite_roots": ["data"], "networks": ["127.0.0.0/8"]}
    with served(folder, db, document, env, permits=permits) as server:
        answers = [server.call(tool) for tool in ("good", "bad", "far")]
        assert [answer.status_code for answer in answers] == [
            200,
            502,
            422,
        ]  # no connector may reach the last one's address
        assert CANARY not in "".join(answer.text for answer in answers)
        assert CANARY not in str(server.evidence())
        assert CANARY not in server.operator("/metrics").text
    api.shutdown()
    assert CANARY not in server.log.read_text()
    with closing(sqlite3.connect(folder / "runtime.db")) as store:
        assert CANARY not in "".join(store.iterdump())
