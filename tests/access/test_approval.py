"""Which approval a call waits for: decisions, explanations and plans say the same, and a change that eases it is a risk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.access.decide import Ask, Decision
from reconciler.access.judge import Caller, asks_approvals, judge, waits
from reconciler.access.snapshot import snapshot_of
from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.model.approval import Approval, eased
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.plan import Action, Change
from reconciler.planner.risks import risks_of
from tests.access.test_reference_model import body
from tests.conftest import Run
from tests.kinds.support import found, minimal
from tests.kinds.test_mcp_target import connector, pinned, tenant, world
from tests.kinds.test_mcp_target import policy as policy_on
from tests.runtime.worlds import WORLD

LEAD = {"roles": ["lead"]}
ALLOW: dict[str, Any] = WORLD["policies"]["read"]


def policy(**more: Any) -> dict[str, Any]:
    return ALLOW | more


def tools() -> dict[str, Any]:
    return policy_on(names=["tool/files/*"])


def decided(policies: dict[str, Any]) -> Decision:
    """What happens to a call of the template, under these policies."""
    kinds = {"connectors": "connector", "datasources": "datasource", "templates": "template", "callers": "caller"}
    known = []
    for plural, kind in {**kinds, "policies": "policy"}.items():
        for name, raw in {**WORLD, "policies": policies}[plural].items():
            text = Text(canonical(body(kind, raw)), SPEC_VERSIONS[kind])
            known.append(Known(Address("acme", kind, name), f"u-{name}", text, "p1", True))
    return judge(snapshot_of(known).tenant("acme"), None, Caller("acme", "bot"), Ask("template/top"))


def test_the_policy_that_allows_says_who_approves() -> None:
    decision = decided({"read": policy(approval=LEAD | {"four_eyes": True, "use_within_minutes": 5})})
    assert decision.allowed
    assert decision.approval == Approval(("lead",), 60, 5, True)
    assert decision.message.endswith("; after approval by lead")
    assert decision.facts()["approval"]["roles"] == ("lead",)


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_allows_add_up(names: tuple[str, str]) -> None:
    """None takes away what another one gives, whatever they are called."""
    decision = decided({names[0]: policy(approval=LEAD), names[1]: policy()})
    assert (decision.policy, decision.approval) == (f"policy/{names[1]}", None)


def test_only_an_allow_has_one() -> None:
    assert ("conflicting-fields", ("approval",)) in [
        (code, path) for code, path in found("policy", minimal("policy", "", effect="deny", approval=LEAD))
    ]


@pytest.mark.parametrize(
    ("before", "after", "is_risk"),
    [
        (LEAD, None, True),
        (LEAD, {"roles": ["lead", "bot"]}, True),
        (LEAD | {"four_eyes": True}, LEAD, True),
        (LEAD, LEAD | {"use_within_minutes": 600}, True),
        (LEAD, LEAD | {"decide_within_minutes": 600}, True),
        (None, LEAD, False),
        ({"roles": ["lead", "bot"]}, LEAD, False),
        (LEAD, LEAD | {"use_within_minutes": 1}, False),
    ],
)
def test_easing_it_is_a_risk(before: Any, after: Any, is_risk: bool) -> None:
    bodies = [body("policy", policy(approval=one) if one else policy()) for one in (before, after)]
    assert ("approval-removed" in risks_of(Change(Address("acme", "policy", "x"), Action.UPDATE, *bodies))) is is_risk


def test_what_is_easier() -> None:
    lead, any_ = Approval(("lead",)), Approval()
    assert [eased(lead, None), eased(lead, any_), eased(lead._replace(four_eyes=True), lead)] == [True] * 3
    assert [eased(None, lead), eased(any_, lead), eased(None, None), eased(lead, lead)] == [False] * 4


def test_a_plan_says_what_waits_from_now_on(folder: Path, base: Path, run: Run) -> None:
    def write(**more: Any) -> None:
        (folder / "acme.yaml").write_text(yaml.safe_dump(WORLD | {"policies": {"read": policy(**more)}}))

    write(approval=LEAD)
    assert "bot may now: query plane/desk" not in run("plan").ok().out
    assert "query template/top after approval by lead" in run("plan").ok().out
    write()
    run("apply", "--auto-approve").ok()
    write(approval=LEAD)
    told = run("plan").ok().out
    assert "bot may no longer: query template/top without approval by lead" in told
    assert "may now" not in told
    run("apply", "--auto-approve").ok()
    explained = json.loads(run("access", "explain", "template/top", "--caller", "bot", "--format", "json").ok().out)
    assert explained["approval"]["roles"] == ["lead"]
    assert (
        "after approval by lead (within 60 minutes"
        in run("access", "explain", "template/top", "--caller", "bot").ok().out
    )
    write()
    told = run("plan").ok().out
    assert "bot may now: query template/top, write template/add" in told
    assert "access-widened" in told
    assert "approval-removed" in told


@pytest.mark.parametrize(
    ("policies", "terms"),
    [
        ({"policy_a": tools()}, Approval()),
        ({"policy_a": tools(), "policy_b": tools() | {"approval": LEAD}}, Approval(("lead",))),
    ],
    ids=["any-operator", "those-of-a-policy"],
)
def test_a_tool_asks_for_one_whoever_calls(policies: dict[str, Any], terms: Approval) -> None:
    asks = {"wipe": pinned("wipe", requires_approval=True), "look": pinned("look")}
    of = tenant(*world(connectors={"files": connector(tools=asks)}, **policies))
    bot = Caller("acme", "bot")
    wipe, look = (judge(of, None, bot, Ask(f"tool/files/{name}")) for name in ("wipe", "look"))
    assert (wipe.allowed, wipe.approval, look.approval) == (True, terms, None)
    assert asks_approvals(of)
    assert waits(of, None, bot)


def test_the_name_of_the_servers_own_tool_is_taken() -> None:
    raw = minimal("template", "sql", tool_name="approved_call")
    assert ("invalid-name", ("tool_name",)) in [(code, path[-1:]) for code, path in found("template", raw)]
