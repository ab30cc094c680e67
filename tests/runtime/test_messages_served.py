"""An agent sends messages through a real server: its answer, the evidence, the status, health, and a server that is killed."""

from __future__ import annotations

import copy
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Db
from tests.runtime.servers import Served, free_port, served, settings, start
from tests.runtime.slack import TOKEN, Receiver, receiving, slack_at
from tests.runtime.worlds import WORLD

PERMITS = {"networks": ["127.0.0.0/8"], "env": ["SLACK_TOKEN"]}
ENV = {"SLACK_TOKEN": TOKEN}


def document(slack: Receiver) -> dict[str, Any]:
    made = copy.deepcopy(WORLD)
    made["connectors"]["alerts"] = slack_at(slack)
    made["templates"]["notify"] = {
        "type": "message",
        "connector": "alerts",
        "to": ["sales-alerts"],
        "text": "New order {id}",
        "dedupe": "{id}",
        "parameters": {"id": {"type": "integer"}},
    }
    return made


@pytest.fixture
def configured(tmp_path: Path) -> Db:
    """Where the configuration lies is not what these are about."""
    return Db(f"sqlite:///{tmp_path}/state.db")


def due_now(server: Served) -> None:
    """The end of the lease of whoever died, and of every wait."""
    with sqlite3.connect(server.folder / "runtime.db", timeout=10) as connection:
        connection.execute("UPDATE deliveries SET due = 0")
    connection.close()


def test_an_agent_sends_a_message(db: Db, folder: Path) -> None:
    with receiving() as slack, served(folder, db, document(slack), ENV, permits=PERMITS) as server:
        first, again = (server.call("notify", id=1).json() for _ in range(2))
        assert (first["result"]["status"], again["result"]) == (
            "accepted",
            {"status": "duplicate", "id": first["result"]["id"]},
        )
        server.until(lambda: slack.texts == ["New order 1"], 10)
        listed = server.client().get("/v1/tools").json()["tools"]
        assert "notify" in {one["name"] for one in listed}
        found = server.evidence()
        assert [(one["action"], one["outcome"]) for one in found] == [("write", "success")] * 2
        assert server.call("notify", id=1, to="#ceo").status_code == 422
        checked = httpx.post(
            f"{server.operators}/v1/tenants/acme/connectors/alerts/test",
            headers={"Authorization": "Bearer operators-token"},
            timeout=20,
        )
        assert checked.json()["state"] == "healthy", checked.text
        assert slack.sent[-1].path == "/api/auth.test"


def test_a_server_that_is_killed_loses_no_message(configured: Db, folder: Path) -> None:
    with receiving() as slack, served(folder, configured, document(slack), ENV, permits=PERMITS) as server:
        slack.delay = 30.0
        accepted = [server.call("notify", id=number).json()["result"]["status"] for number in range(5)]
        assert accepted == ["accepted"] * 5
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        slack.delay = 0.0
        slack.sent.clear()
        due_now(server)
        ports = (int(url.rpartition(":")[2]) for url in (server.agents, server.operators))
        again = start(folder, configured, *ports, ENV)
        try:
            server.until(lambda: {*slack.texts} == {f"New order {number}" for number in range(5)}, 15)
        finally:
            os.killpg(again.pid, signal.SIGTERM)
            again.wait(15)


def test_two_servers_share_the_work_and_one_takes_over(configured: Db, folder: Path) -> None:
    """Nothing is sent twice but what was under way when a server was killed, and nothing is lost."""
    with receiving() as slack, served(folder, configured, document(slack), ENV, permits=PERMITS) as server:
        second = folder / "second"
        (second / "data").mkdir(parents=True)
        ports = free_port(), free_port()
        settings(second, *ports, permits=PERMITS)
        other = start(second, configured, *ports, ENV, store=f"sqlite:///{folder}/runtime.db")
        try:
            slack.delay = 0.05
            for number in range(20):
                assert server.call("notify", id=number).json()["result"]["status"] == "accepted"
            server.until(lambda: len(slack.texts) > 3, 10)
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
            due_now(server)
            server.until(lambda: len({*slack.texts}) == 20, 15)
            assert len(slack.texts) <= 20 + 2, "what each of both had under way when it was let go"
        finally:
            os.killpg(other.pid, signal.SIGTERM)
            other.wait(15)


def test_what_can_not_be_delivered_stands_in_the_status(configured: Db, folder: Path) -> None:
    with receiving() as slack, served(folder, configured, document(slack), ENV, permits=PERMITS) as server:
        slack.answers = [(200, {"ok": False, "error": "channel_not_found"}, {})] + [(503, {}, {})] * 50
        for number in (1, 2):
            server.call("notify", id=number)
        path = "/v1/tenants/acme/connectors/alerts/status"
        server.until(lambda: (server.operator(path).json()["messages"] or {}).get("last_error") == "it answers 503", 10)
        found = server.operator(path).json()["messages"]
        assert (found["waiting"], found["dead"]) == (1, 1)
        store = f"sqlite:///{folder}/runtime.db"
        shown = server.command("status", "acme/connector/alerts", "--store", store).out
        assert "messages    1 waiting, 1 dead within a week" in shown
        assert "1 messages dead, 1 waiting: it answers 503" in shown
