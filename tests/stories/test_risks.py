"""Risks are in the plan for whoever reads it, and guards refuse by them, whatever a plan says of itself."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import BASE, Db, Run

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
