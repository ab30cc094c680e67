"""Risks are in the plan for whoever reads it, and guards refuse by them, whatever a plan says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from reconciler.apply.execute import execute
from reconciler.apply.terms import Terms
from reconciler.errors import Refused
from reconciler.guards.check import Allowances
from reconciler.model.configuration import Guards
from reconciler.model.effects import Effects
from reconciler.plan.file import read_plan
from tests.conftest import BASE, Db, Run
from tests.store.support import database_of

PROJECT = "version: 1\nproject: shop\nguards: {refuse: [read-only-removed, limit-raised]}\n"


def test_a_guard_refuses_by_risk(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text(PROJECT)
    run("apply", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    shown = run("plan", "--format", "json", "--out", "raised.plan").ok().json
    assert shown["resource_changes"][0]["risks"] == ["limit-raised"]
    refused = run("apply", "--auto-approve").ok(6).err
    assert "more may be used, or a limit is gone (limit-raised), e.g. acme/limit/month" in refused
    assert "--allow-risk limit-raised" in refused
    assert "would be refused" in run("plan").ok().out
    run("apply", "--auto-approve", "--allow-risk", "read-only-removed").ok(6)
    run("apply", "raised.plan", "--auto-approve").ok(6)

    document = json.loads((folder / "raised.plan").read_text())
    document["resource_changes"][0]["risks"] = []
    forged = folder / "forged.plan"
    forged.write_text(json.dumps(document))
    run("apply", "forged.plan", "--auto-approve").ok(8)  # its digest tells
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"
    run("apply", "--auto-approve", "--allow-risk", "limit-raised").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 50"))
    run("apply", "--auto-approve").ok()
    run("apply", "--auto-approve", "--allow-risk", "nonsense").ok(64)


SILENT = (
    "guards: {refuse: [access-widened, endpoint-host-changed, credential-changed, command-changed, read-only-removed]}"
)
WORLD = """\
version: 1
tenant: acme
connectors:
  npm:
    type: mcp
    transport: stdio
    command: server
    env: {NODE_OPTIONS: {plain: ""}, TOKEN: env://TOKEN}
  snow:
    type: sql
    dialect: snowflake
    host: acme.snowflakecomputing.com
    port: 443
    database: sales
    options: {role: READER, warehouse: small}
  bucket: {type: file, provider: gcs, bucket: reports, project: acme-prod}
  pine: {type: vector, engine: pinecone, api_key: env://PINE, index: articles}
  own: {type: custom, config: {host: ldap.internal, deep: {list: [1]}}}
  crm:
    type: http
    base_url: https://crm.example.com
    headers: {X-Tenant: acme}
    auth: {type: api_key, key: env://CRM, header: X-Key}
  events: {type: stream, provider: kafka, brokers: ["k:9092"], topics: [orders]}
integrations:
  gemini: {provider: gemini, credential: env://GEMINI, config: {project: acme-prod}}
"""
CHANGES = {
    "a variable of a program": ('{plain: ""}', '{plain: "--require /tmp/evil.js"}', "connector/npm"),
    "a new variable": ("TOKEN: env", "LD_PRELOAD: {plain: /tmp/evil.so}, TOKEN: env", "connector/npm"),
    "a role": ("role: READER", "role: ACCOUNTADMIN", "connector/snow"),
    "a port": ("port: 443", "port: 4443", "connector/snow"),
    "a project of a store": ("project: acme-prod}\n  pine", "project: evil}\n  pine", "connector/bucket"),
    "an index": ("index: articles", "index: salaries", "connector/pine"),
    "a host in options of one's own": ("host: ldap.internal", "host: evil.example", "connector/own"),
    "anything in options of one's own": ("list: [1]", "list: [2]", "connector/own"),
    "a header": ("X-Tenant: acme", "X-Tenant: globex", "connector/crm"),
    "where a key goes": ("header: X-Key", "header: X-Other", "connector/crm"),
    "a group of readers": ("topics: [orders]", "group: payroll, topics: [orders]", "connector/events"),
    "a project of a model": ("{project: acme-prod}}", "{project: evil}}", "integration/gemini"),
}


def test_nothing_that_decides_what_is_reached_passes_a_guard_unseen(run: Run, base: Path, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(f"version: 1\nproject: shop\n{SILENT}\n")
    base.write_text(WORLD)
    run("apply", "--auto-approve").ok()
    for told, (old, new, address) in CHANGES.items():
        assert WORLD.count(old) == 1, told
        base.write_text(WORLD.replace(old, new))
        refused = run("apply", "--auto-approve")
        assert (told, refused.code) == (told, 6)
        assert f"e.g. acme/{address}" in refused.err, told
    base.write_text(WORLD)
    run("apply", "--auto-approve").ok()


def test_a_renamed_connector_risks_nothing_for_what_refers_to_it(run: Run, base: Path, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text(f"version: 1\nproject: shop\n{SILENT}\n")
    base.write_text(WORLD + "datasources:\n  orders: {type: stream, connector: events}\n")
    run("apply", "--auto-approve").ok()
    text = base.read_text().replace("  events:", "  bus:").replace("connector: events", "connector: bus")
    base.write_text(text + "moved: [{from: connector/events, to: connector/bus}]\n")
    changes = run("plan", "--format", "json").ok().json["resource_changes"]
    assert {change["address"]: change["risks"] for change in changes} == {
        "acme/connector/bus": [],
        "acme/datasource/orders": [],
    }
    run("apply", "--auto-approve").ok()


EVERYTHING = (
    "guards: {refuse: [command-changed, endpoint-host-changed, endpoint-path-changed, credential-changed, "
    "read-only-removed, access-widened]}"
)
REACHED = """\
version: 1
tenant: acme
connectors:
  crm:
    type: http
    base_url: https://crm.example.com/v1
    auth: {type: bearer, token: "env://CRM"}
  spare:
    type: http
    base_url: https://evil.example
    auth: {type: bearer, token: "env://SPARE"}
  tools: {type: mcp, transport: stdio, command: server, env: {TOKEN: "env://TOOLS"}}
  others: {type: mcp, transport: stdio, command: another, env: {TOKEN: "env://OTHERS"}}
integrations:
  openai: {provider: openai, credential: "env://OPENAI"}
datasources:
  orders: {type: api, connector: crm}
  stock: {type: api, connector: spare}
templates:
  list-orders: {tool_name: list_orders, type: http, datasource: orders, method: GET, path: /orders}
planes:
  sales: {datasources: [orders, stock], actions: {retrieve: template/list-orders}}
"""
CRM = '  crm:\n    type: http\n    base_url: https://crm.example.com/v1\n    auth: {type: bearer, token: "env://CRM"}\n'
TAKEN: dict[str, tuple[dict[str, str], str, str, str]] = {
    "a reference of a datasource": ({"connector: crm": "connector: spare"}, "", "endpoint-host-changed", "datasource/orders"),
    "a reference of a template": ({"datasource: orders": "datasource: stock"}, "", "credential-changed", "template/list-orders"),
    "another way to the connector": (
        {"datasource: orders, method": "connector: spare, method", "template/list-orders}}": "template/x}}",
         "planes:\n": "  x: {type: http, datasource: orders, method: GET, path: /orders}\nplanes:\n"},
        "", "endpoint-host-changed", "template/list-orders",
    ),
    "two names that are exchanged": (
        {"  tools:": "  swap:", "  others:": "  tools:", "  swap:": "  others:"},
        "moved: [{from: connector/tools, to: connector/others}, {from: connector/others, to: connector/tools}]\n",
        "command-changed", "connector/others",
    ),
    "a name that another moves to": (
        {"  tools:": "  tools-old:", "  others:": "  tools:"},
        "moved: [{from: connector/tools, to: connector/tools-old}, {from: connector/others, to: connector/tools}]\n",
        "command-changed", "connector/tools",
    ),
    "a renamed one without its entry": (
        {"  crm:": "  crm-2:", "crm.example.com": "evil.example", "connector: crm": "connector: crm-2"},
        "", "endpoint-host-changed", "connector/crm-2",
    ),
    "deleted, and created elsewhere with the same key": (
        {"  openai: {provider: openai,": "  openai-2: {provider: openai, base_url: https://evil.example/v1,"},
        "", "endpoint-host-changed", "integration/openai-2",
    ),
    "a key in use for a further host": (
        {"integrations:\n": "integrations:\n  leak: {provider: custom, base_url: https://evil.example/v1, credential: "
         '"env://OPENAI"}\n'},
        "", "endpoint-host-changed", "integration/leak",
    ),
    "the name of a tool": (
        {"  list-orders:": "  list-all:", "http, datasource: orders": "http, datasource: stock",
         "template/list-orders": "template/list-all"},
        "", "endpoint-host-changed", "template/list-all",
    ),
    "another path": ({"example.com/v1": "example.com/v1/admin"}, "", "endpoint-path-changed", "connector/crm"),
}  # fmt: skip


@pytest.mark.parametrize("told", TAKEN)
def test_no_name_and_no_secret_comes_to_stand_for_something_else_unseen(
    told: str, run: Run, base: Path, folder: Path, db: Db
) -> None:
    """A plan says it, and an apply finds it out by itself, whatever the plan says."""
    (folder / "reconciler.yaml").write_text(f"version: 1\nproject: shop\n{EVERYTHING}\n")
    base.write_text(REACHED)
    run("apply", "--auto-approve").ok()
    changes, more, risk, address = TAKEN[told]
    text = REACHED
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    base.write_text(text + more)
    planned = run("plan", "--format", "json", "--out", "saved.plan").ok().json["resource_changes"]
    assert risk in {change["address"]: change["risks"] for change in planned}[f"acme/{address}"]
    plan = read_plan(folder / "saved.plan")
    silent = replace(plan, effects=Effects(), changes=tuple(replace(one, risks=()) for one in plan.changes))
    terms = Terms("tester", guards=Guards(refuse=frozenset({risk}), max_delete_percent=100))
    with pytest.raises(Refused, match=rf"{risk}\), e.g. acme/{address}"):
        execute(silent, database_of(db), terms)
    execute(silent, database_of(db), replace(terms, allowed=Allowances(risks=frozenset({risk}))))


def test_a_guard_against_new_programs(run: Run, base: Path, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nguards: {refuse: [command-added]}\n")
    base.write_text(
        REACHED.replace(
            ' transport: stdio, command: another, env: {TOKEN: "env://OTHERS"}',
            " transport: sse, url: https://mcp.example.com",
        )
    )
    refused = run("apply", "--auto-approve").ok(6).err
    assert "a new resource starts a program (command-added), e.g. acme/connector/tools" in refused
    run("apply", "--auto-approve", "--allow-risk", "command-added").ok()


def test_what_somebody_wrote_by_hand_is_accepted_with_its_risks(run: Run, base: Path, folder: Path, db: Db) -> None:
    """It was never in force: what counts is what was applied."""
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nguards: {refuse: [endpoint-host-changed]}\n")
    base.write_text(REACHED)
    run("apply", "--auto-approve").ok()
    db.set_field("acme/connector/crm", "base_url", "https://evil.example/v1")
    base.write_text(REACHED.replace("crm.example.com", "evil.example"))
    refused = run("apply", "--auto-approve").ok(6).err
    assert "(endpoint-host-changed), e.g. acme/connector/crm" in refused
