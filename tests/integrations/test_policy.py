"""The example policy, evaluated over plans that the command line made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from regopy import Interpreter

from tests.conftest import BASE, ROOT, Db, Run

POLICY = (ROOT / "integrations/conftest/policy.rego").read_text()


def denied(plan: dict[str, Any]) -> list[str]:
    rego = Interpreter()
    rego.add_module("policy", POLICY)
    rego.set_input(plan)
    output = json.loads(str(rego.query("data.main.deny")))
    return sorted(output["expressions"][0])


@pytest.fixture
def db(tmp_path: Path) -> Db:
    """One database is enough: the policy reads JSON."""
    return Db(f"sqlite:///{tmp_path}/state.db")


def plan_after(run: Run, base: Path, old: str, new: str) -> dict[str, Any]:
    run("apply", str(base.parent), "--auto-approve").ok()
    base.write_text(BASE.replace(old, new))
    plan: dict[str, Any] = run("plan", str(base.parent), "--format", "json").ok().json
    return plan


def test_a_first_plan_is_let_through(run: Run, base: Path) -> None:
    assert denied(run("plan", str(base.parent), "--format", "json").ok().json) == []


def test_a_limit_may_fall_and_not_rise(run: Run, base: Path) -> None:
    plan = plan_after(run, base, "cost_usd: 100", "cost_usd: 99.5")
    assert [change["address"] for change in plan["resource_changes"]] == ["acme/limit/month"]
    assert denied(plan) == []
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 1000"))
    assert denied(run("plan", str(base.parent), "--format", "json").ok().json) == [
        "acme/limit/month: cost_usd would rise"
    ]


def test_a_limit_may_not_lose_what_it_limits(run: Run, base: Path) -> None:
    plan = plan_after(run, base, "cost_usd: 100", "tokens: 5")
    assert denied(plan) == ["acme/limit/month: cost_usd would have no limit any more"]


def test_nothing_is_deleted_in_prod(run: Run, base: Path) -> None:
    limit = "limits:\n  month: {target: tenant, per: month, cost_usd: 100}\n"
    plan = plan_after(run, base, limit, "")
    assert [change["action"] for change in plan["resource_changes"]] == ["delete"]
    assert denied(plan) == []
    assert denied({**plan, "environment": "prod"}) == [
        "acme/limit/month: nothing is deleted or replaced in prod without a review of its own"
    ]
