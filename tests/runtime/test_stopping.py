"""SIGTERM: listeners end within seconds whatever is open, and a call that runs gets an answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import Db
from tests.runtime.servers import Served, served, world_with_data
from tests.runtime.test_crashes import SLOW
from tests.runtime.test_door import connect, head


def ended(server: Served, within: float) -> None:
    began = time.monotonic()
    assert server.process.wait(30) == 0
    assert time.monotonic() - began < within
    assert "Traceback" not in server.log.read_text()
    assert "Exception" not in server.log.read_text()


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_running_call_is_answered(db: Db, folder: Path, repeats: int) -> None:
    """After ten seconds, or at a second signal; its evidence says what came of it."""
    if repeats == 1 and not db.is_sqlite:
        pytest.skip("ten seconds once")
    document = world_with_data(folder)
    document["templates"]["slow"] = {"type": "sql", "datasource": "sales", "sql": SLOW, "timeout_seconds": 30}
    with served(folder, db, document) as server:
        answers: list[httpx.Response] = []
        caller = threading.Thread(target=lambda: answers.append(server.call("slow")))
        caller.start()
        server.until(lambda: server.metrics()["reconciler_calls_open",] == 1, 10)
        for _ in range(repeats):
            os.killpg(server.process.pid, signal.SIGTERM)
            time.sleep(0.3)
        ended(server, 18 if repeats == 1 else 8)
        caller.join(5)
        (answer,) = answers
        told = answer.json()
        assert (answer.status_code, told["code"], told["outcome"]) == (503, "stopping", "failure")
        assert answer.headers["content-type"] == "application/problem+json"
        found = server.command(
            "evidence",
            "show",
            told["evidence_id"],
            "--tenant",
            "acme",
            "--store",
            f"sqlite:///{folder}/runtime.db",
            "--format",
            "json",
        ).json
        assert (found["outcome"], found["code"]) == ("failure", "stopping")


def test_nothing_that_is_open_is_waited_for(db: Db, folder: Path) -> None:
    """Silent connections, halves of requests, answers that nobody reads, and streams end with the server."""
    with served(folder, db) as server:
        opened = [connect(server) for _ in range(5)]
        opened[1].sendall(b"GET /he")
        opened[2].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream = head(server, "/mcp", method="GET") + b"Accept: text/event-stream\r\n\r\n"
        opened[3].sendall(stream)
        with suppress(ConnectionError):
            opened[4].sendall(b"GET /" + b"a" * 100_000)
        time.sleep(0.5)
        os.killpg(server.process.pid, signal.SIGTERM)
        ended(server, 8)  # two where nothing else runs; what is not ended is waited for twelve
        for one in opened:
            one.close()
