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
