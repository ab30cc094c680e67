"""One apply of everything at once: creations, updates, replaces, deletions, moves with a swap, adoptions, forgetting."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import Db, Ran

ALLOW = ("--auto-approve", "--allow-deletes", "100")
Body = dict[str, Any]


def sql_connector(name: str, **more: Any) -> Body:
    return {"type": "sql", "dialect": "postgresql", "dsn": f"vault://kv/acme/{name}#dsn", **more}


def http_connector(name: str, **more: Any) -> Body:
    return {"type": "http", "base_url": f"https://{name}.example.com", **more}


def integration(name: str, provider: str = "openai", **more: Any) -> Body:
    return {"provider": provider, "credential": f"vault://kv/acme/{name}#api_key", **more}


def datasource(name: str, connector: str = "warehouse") -> Body:
    return {"type": "database", "connector": connector, "tables": [f"public.{name.replace('-', '_')}"]}


def _first() -> Body:
    connectors = {"warehouse": sql_connector("warehouse")}
    connectors |= {f"update-{i}": sql_connector(f"update-{i}", max_rows=10) for i in range(10)}
    connectors |= {f"replace-{i}": sql_connector(f"replace-{i}") for i in range(5)}
    integrations = {f"update-{i}": integration(f"update-{i}") for i in range(5)}
    integrations |= {f"replace-{i}": integration(f"replace-{i}") for i in range(3)}
    integrations |= {"swap-a": integration("a"), "swap-b": integration("b"), "let-go-1": integration("x")}
    integrations |= {"let-go-2": integration("x")}
    return {
        "version": 1,
        "tenant": "acme",
        "connectors": connectors,
        "integrations": integrations,
        "datasources": {f"move-{i}": datasource(f"move-{i}") for i in range(4)},
        "limits": {f"delete-{i}": {"target": "tenant", "per": "month", "requests": i + 1} for i in range(10)}
        | {"lost": {"target": "tenant", "per": "day", "requests": 5}},
    }


def _second() -> Body:
    connectors = {"warehouse": sql_connector("warehouse")}
    connectors |= {f"update-{i}": sql_connector(f"update-{i}", max_rows=20 + i) for i in range(10)}
    connectors |= {f"replace-{i}": http_connector(f"replace-{i}") for i in range(5)}
    connectors |= {f"create-{i}": http_connector(f"create-{i}") for i in range(8)}
    connectors |= {f"adopt-{i}": http_connector(f"adopt-{i}", timeout_seconds=7) for i in range(3)}
    integrations = {f"update-{i}": integration(f"update-{i}-rotated") for i in range(5)}
    integrations |= {f"replace-{i}": integration(f"replace-{i}", "anthropic") for i in range(3)}
    integrations |= {"swap-a": integration("b"), "swap-b": integration("a")}
    integrations |= {f"create-{i}": integration(f"create-{i}") for i in range(4)}
    datasources = {f"moved-{i}": datasource(f"move-{i}") for i in range(3)}
    datasources |= {"moved-3": datasource("elsewhere")}
    datasources |= {f"create-{i}": datasource(f"create-{i}") for i in range(4)}
    template = {"type": "sql", "datasource": "moved-0", "sql": "SELECT 1 AS one FROM public.move_0"}
    moved = [{"from": f"datasource/move-{i}", "to": f"datasource/moved-{i}"} for i in range(4)]
    moved += [{"from": "integration/swap-a", "to": "integration/swap-b"}]
    moved += [{"from": "integration/swap-b", "to": "integration/swap-a"}]
    return {
        "version": 1,
        "tenant": "acme",
        "connectors": connectors,
        "integrations": integrations,
        "datasources": datasources,
        "templates": {f"create-{i}": template for i in range(3)},
        "limits": {"create-0": {"target": "integration/create-0", "per": "day", "requests": 9}},
        "moved": moved,
        "removed": [{"from": f"integration/let-go-{i}", "destroy": False} for i in (1, 2)],
        "adopt": ["connector/adopt-0", "connector/adopt-1", {"address": "connector/adopt-2", "from_project": "other"}],
    }


def prepare(run: Callable[..., Ran], db: Db, folder: Path) -> Path:
    """Leaves the database as it is before, and returns the saved plan of more than 60 changes."""
    manifest = folder / "acme.yaml"
    manifest.write_text(
        json.dumps({"version": 1, "tenant": "acme", "connectors": {"adopt-2": http_connector("adopt-2")}})
    )
    run("apply", "--auto-approve", env={"RECONCILER_PROJECT": "other"}).ok()
    manifest.write_text(json.dumps(_first()))
    run("apply", "--auto-approve").ok()
    for name, seconds in (("adopt-0", 7), ("adopt-1", 9)):  # as wanted, and not as wanted
        body = json.dumps(http_connector(name, timeout_seconds=seconds))
        db.sql("INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'connector', ?, ?)", [name, body])
    db.sql("DELETE FROM resources WHERE name = 'lost'")
    db.set_field("acme/connector/update-0", "max_rows", 99)
    manifest.write_text(json.dumps(_second()))
    plan = folder / "plan.json"
    run("plan", "--out", str(plan), "--format", "json").ok()
    actions = {change["action"] for change in json.loads(plan.read_text())["resource_changes"]}
    assert actions == {"create", "update", "replace", "delete", "move", "adopt", "forget"}
    assert len(json.loads(plan.read_text())["resource_changes"]) >= 60
    return plan
