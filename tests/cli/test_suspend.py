"""`suspend` and `resume`: audited, in force in a running server, and helpful about names that are not there."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import Db
from tests.runtime.servers import OPERATOR, served
from tests.runtime.worlds import WORLD, apply
from tests.store.support import cli_on

WAREHOUSE = "acme/connector/warehouse"
SECONDS = 6.0
"""One, and some for a slow machine that runs other tests at the same time; without the switch it would never be in force."""


def test_suspended_and_resumed(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    db.sql(
        "INSERT INTO statuses (tenant, uid, error) SELECT tenant, uid, '401' FROM resources WHERE name = 'warehouse'"
    )
    assert f"{WAREHOUSE} is suspended now." in run("suspend", WAREHOUSE, "--reason", "moving").ok().out
    assert f"{WAREHOUSE} was suspended already." in run("suspend", WAREHOUSE, "--reason", "again").ok().out
    status = run("show", WAREHOUSE, "--format", "json").ok().json["status"]
    assert (status["suspended_reason"], status["error"], status["usable"]) == ("moving", "401", False)
    assert f"{WAREHOUSE} is resumed now." in run("resume", WAREHOUSE, "--reason", "moved").ok().out
    status = run("show", WAREHOUSE, "--format", "json").ok().json["status"]
    assert (status["suspended_by"], status["error"]) == (None, "401")
    entries = [body for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")]
    assert [sum(f'"event":"{event}"' in body for body in entries) for event in ("suspend", "resume")] == [1, 1]
    run("audit", "verify").ok()


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("acme/connector/warehose", f"did you mean {WAREHOUSE}?"),
        ("acne/connector/warehouse", f"did you mean {WAREHOUSE}?"),
        ("acme/integration/none", "see `reconciler list`"),
    ],
)
def test_what_is_not_there_is_an_error(db: Db, folder: Path, address: str, meant: str) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    for command in ("suspend", "resume"):
        answer = run(command, address, "--reason", "x").ok(1).err
        assert "[unknown-target]" in answer
        assert meant in answer


def test_what_is_not_suspended_is_an_error(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    answer = run("resume", WAREHOUSE, "--reason", "x").ok(1).err
    assert "[not-suspended]" in answer
    assert "nothing is suspended" in answer
    run("suspend", "acme/caller/bot", "--reason", "x").ok()
    run("suspend", "acme/limit/none", "--reason", "x").ok(64)
    run("suspend", WAREHOUSE, "--reason", " ").ok(64)
    assert "did you mean acme/caller/bot?" in run("resume", "acme/caller/bat", "--reason", "x").ok(1).err


def test_in_force_in_a_server_within_a_second(db: Db, folder: Path) -> None:
    """By the command line and by the API; the second resource's suspension is older than the first's end."""
    with served(folder, db) as server:

        def comes_to(status: int, since: float) -> None:
            server.until(lambda: server.call("top", region="eu").status_code == status)
            assert time.monotonic() - since < SECONDS

        def decide(path: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {OPERATOR}"}
            url = f"{server.operators}/v1/tenants/acme/{path}"
            return httpx.post(url, headers=headers, json={"reason": "moving"}, timeout=20)

        assert server.call("top", region="eu").status_code == 200
        server.command("suspend", WAREHOUSE, "--reason", "moving")
        comes_to(404, time.monotonic())
        assert server.evidence()[0]["reason"] == "suspended"
        server.command("resume", WAREHOUSE, "--reason", "moved")
        comes_to(200, time.monotonic())
        answer = decide("datasources/sales/suspend")
        assert answer.json() == {"address": "acme/datasource/sales", "suspended": True, "changed": True}
        comes_to(404, time.monotonic())
        assert server.operator("/v1/tenants/acme/datasources/sales").json()["suspended"] is True
        assert decide("datasources/sale/suspend").json()["code"] == "unknown-target"
        assert decide("connectors/warehouse/resume").json()["code"] == "not-suspended"
        assert decide("datasources/sales/resume").json()["suspended"] is False
        comes_to(200, time.monotonic())
        server.command("audit", "verify")
