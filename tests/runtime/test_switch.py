"""A running server refuses within a second of `freeze` and `keys revoke`, also while an apply hangs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from tests.apply.stopped import stopped_apply
from tests.conftest import Db
from tests.runtime.servers import OPERATOR, Served, served, world_with_data

SECONDS = 6.0
"""One, and some for a slow machine that runs other tests at the same time; without the switch it would never be in force."""


def refused_within_a_second(server: Served, status: int, since: float) -> None:
    server.until(lambda: server.call("top", region="eu").status_code == status)
    assert time.monotonic() - since < SECONDS


def changed(folder: Path) -> str:
    """The same world, in which an apply makes the template's text new."""
    document = world_with_data(folder)
    document["templates"]["top"]["description"] = "customers of one region"
    return json.dumps(document)


@pytest.mark.parametrize("point", ["after_lock", "before_commit"])
def test_while_an_apply_hangs(db: Db, folder: Path, point: str) -> None:
    with served(folder, db) as server:
        key = server.command("keys", "list", "acme/bot", "--format", "json").json["keys"][0]["id"]
        assert server.call("top", region="eu").status_code == 200
        with stopped_apply(db.url, folder, point, changed(folder)) as apply:
            began = time.monotonic()
            answer = httpx.post(
                f"{server.operators}/v1/tenants/acme/freezes",
                headers={"Authorization": f"Bearer {OPERATOR}"},
                json={"target": "acme/template/top", "reason": "incident 7"},
                timeout=5,
            )
            refused_within_a_second(server, 404, began)
            assert answer.json() == {"target": "acme/template/top", "frozen": True, "changed": True}
            server.command("freeze", "tenant/acme", "--reason", "incident 7")
            began = time.monotonic()
            server.command("keys", "revoke", "acme/bot", key)
            refused_within_a_second(server, 401, began)
            assert apply.goes_on() == 0
        server.until(lambda: "key-revoke" in str(db.sql("SELECT body FROM audit")), 12)  # the server files it
        assert server.call("top", region="eu").status_code == 401
        server.command("audit", "verify")
