"""`reconciler status`, what `list` and `show` mention, and the same over the operators' API."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing
from pathlib import Path

from reconciler.model.address import Address
from reconciler.model.health import FAILING, Check
from reconciler.runtime.ledger.health_rows import LEASE, record
from reconciler.runtime.ledger.leases import hold
from reconciler.store.url import parse_database
from tests.conftest import Db
from tests.runtime.servers import served, world_with_data
from tests.runtime.worlds import WORLD, apply
from tests.store.support import cli_on

WAREHOUSE = "acme/connector/warehouse"
TOP = "/v1/tenants/acme"


def test_without_a_store_status_says_what_the_database_knows(db: Db, folder: Path) -> None:
    apply(db, folder, WORLD)
    run = cli_on(db.url, folder)
    run("suspend", WAREHOUSE, "--reason", "moving").ok()
    run("freeze", "acme/template/top", "--reason", "incident 7").ok()
    db.sql("UPDATE resources SET spec = '{}' WHERE name = 'desk'")
    found = {one["address"]: one for one in run("status", "--format", "json").ok().json["status"]}
    warehouse = found[WAREHOUSE]
    assert (warehouse["state"], warehouse["because"]) == ("suspended", "an operator suspended it")
    assert warehouse["suspended"].endswith(": moving")
    assert (warehouse["project"], warehouse["generation"], warehouse["drifted"]) == ("shop", 1, False)
    assert (warehouse["health"], warehouse["last_used"], warehouse["calls_24h"]) == (None, None, None)
    assert found["acme/datasource/sales"]["state"] == "pending"
    assert found["acme/template/top"]["frozen"].endswith("incident 7")
    assert (found["acme/plane/desk"]["drifted"], found["acme/plane/desk"]["state"]) == (True, None)
    text = run("status", "connectors").ok().out
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [[WAREHOUSE, "suspended"]]
    assert "state       suspended: an operator suspended it" in run("status", WAREHOUSE).ok().out
    assert "[not-live]" in run("status", "acme/connector/warehose").ok(1).err
    assert "did you mean connector?" in run("status", "conector").ok(64).err
    assert "suspended since" in run("list", "connector").ok().out
    assert "suspended since" in run("show", WAREHOUSE).ok().out


def test_health_use_and_limits_come_from_the_runtimes_store(db: Db, folder: Path) -> None:
    document = copy.deepcopy(world_with_data(folder))
    document["limits"] = {"few": {"target": WAREHOUSE.partition("/")[2], "requests": 100, "per": "day"}}
    url = f"sqlite:///{folder}/runtime.db"
    with served(folder, db, document) as server:
        assert [server.call("top", region="eu").status_code for _ in range(3)] == [200] * 3

        def shown() -> dict[str, object]:
            found: dict[str, object] = server.operator(f"{TOP}/connectors/warehouse/status").json()
            return found

        server.until(lambda: shown()["calls_24h"] == 3, 20)
        found = shown()
        assert (found["state"], found["errors_24h"]) == ("connected", 0)
        assert [(one["used"], one["limit"]) for one in found["limits"]] == [(3, 100)]  # type: ignore[attr-defined]
        store, uid = parse_database(url, Path("/")), db.sql("SELECT uid FROM resources WHERE name = 'warehouse'")[0][0]
        # the server's own sweep may hold the lease: what is written under its number counts as its own
        number = hold(store, LEASE, "test", 60)
        if number is None:
            with closing(sqlite3.connect(folder / "runtime.db")) as found_store:
                number = int(found_store.execute("SELECT number FROM leases WHERE name = ?", (LEASE,)).fetchone()[0])
        away = Check(FAILING, None, "it can't be reached")
        for _ in range(3):
            record(store, number, {(Address.parse(WAREHOUSE), uid): away}, ())
        assert (shown()["state"], server.operator(f"{TOP}/datasources/sales/status").json()["state"]) == (
            "disconnected",
            "error",
        )
        kinds = server.operator(f"{TOP}/stats").json()["kinds"]
        assert kinds["connector"]["by_state"] == {"disconnected": 1}
        assert kinds["template"] == {**kinds["template"], "total": 2, "by_type": {"sql": 2}, "calls_24h": 3}
        page = server.operator(f"{TOP}/status?kind=connector&limit=1").json()
        assert [one["address"] for one in page["status"]] == [WAREHOUSE]
        assert server.operator(f"{TOP}/connectors/none/status").status_code == 404
    run, env = cli_on(db.url, folder), {"RECONCILER_RUNTIME_URL": url}
    assert "failing since" in run("status", WAREHOUSE, **env).ok().out
    assert "failing since" in run("list", "connector", **env).ok().out
    assert "failing since" in run("show", WAREHOUSE, **env).ok().out
    one = run("status", "connector", "--format", "json", **env).ok().json["status"][0]
    assert (one["calls_24h"], one["health"]["state"], one["limits"][0]["used"]) == (3, "failing", 3)
