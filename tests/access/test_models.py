"""Models as targets: an allow on a route covers its deployments, a deny on an integration takes it out of every route."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.decide import Ask, Decision
from reconciler.access.judge import Caller, Question, explain, judge
from reconciler.access.models import models_of, target_of_model, ways_of
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec
from reconciler.model.status import Freeze, Status

BOT = Caller("acme", "bot")
INTEGRATIONS: dict[str, Any] = {
    "openai": {"provider": "openai", "credential": "env://A", "models": ["gpt-5", "gpt-5-mini"]},
    "azure": {"provider": "azure_openai", "credential": "env://B", "base_url": "https://a.example.com"},
}
ROUTES: dict[str, Any] = {
    "fast": {
        "models": ["fast", "gpt-4.1"],
        "deployments": [
            {"integration": "openai", "model": "gpt-5-mini"},
            {"integration": "azure", "model": "mini"},
            {"integration": "openai", "model": "gpt-5"},
        ],
    }
}


def policy(*names: str, effect: str = "allow", **targets: Any) -> dict[str, Any]:
    more = {"names": [*names]} if names else {}
    return {"effect": effect, "subjects": "any", "actions": ["invoke"], "targets": {**more, **targets}}


def tenant(policies: dict[str, Any], suspended: frozenset[str] = frozenset(), **kinds: Any) -> Tenant:
    world = {
        "integration": INTEGRATIONS,
        "route": ROUTES,
        "caller": {"bot": {"auth": {"api_key": {}}}},
        "policy": policies,
        **kinds,
    }
    found = []
    for kind, resources in world.items():
        for name, raw in resources.items():
            address = Address("acme", kind, name)
            spec = parse(KINDS[kind], raw, address)
            assert isinstance(spec, Spec), spec
            text = Text(canonical(spec.normalised()), 1)
            found.append(Known(address, f"u-{kind}-{name}", text, "p", True, suspended=f"{kind}/{name}" in suspended))
    return snapshot_of(found).tenant("acme")


def of(where: Tenant, target: str, status: Status | None = None) -> Decision:
    return judge(where, status, BOT, Ask(target))


def ways(where: Tenant, model: str = "fast", status: Status | None = None) -> list[tuple[str, str]]:
    target = target_of_model(where, model)
    assert target is not None
    decision = of(where, target, status)
    assert decision.target is not None
    found = ways_of(where, status, BOT, decision.target, model) if decision.allowed else []
    return [(one.target.connector.name, one.model) for one in found]


EVERY = [("integration/openai", "gpt-5-mini"), ("integration/azure", "mini"), ("integration/openai", "gpt-5")]


def test_an_allow_on_a_route_covers_its_deployments() -> None:
    where = tenant({"a": policy("route/fast")})
    assert of(where, "route/fast").allowed
    assert ways(where) == EVERY
    assert not of(where, "integration/openai").allowed


def test_an_allow_on_an_integration_covers_no_route() -> None:
    where = tenant({"a": policy("integration/*")})
    assert not of(where, "route/fast").allowed
    assert of(where, "integration/openai").allowed
    assert ways(where, "openai/gpt-5") == [("integration/openai", "gpt-5")]


def test_a_deny_on_an_integration_takes_it_out_of_every_route() -> None:
    where = tenant({"a": policy("route/*"), "d": policy("integration/openai", effect="deny")})
    assert of(where, "route/fast").allowed
    assert ways(where) == [("integration/azure", "mini")]


def test_without_any_way_a_route_is_denied() -> None:
    where = tenant({"a": policy("route/*"), "d": policy("integration/*", effect="deny")})
    decision = of(where, "route/fast")
    assert (decision.allowed, decision.reason, decision.policy) == (False, "denied", "policy/d")
    assert models_of(where, None, BOT) == {}


def test_a_deny_on_a_route_wins() -> None:
    where = tenant({"a": policy("route/*"), "d": policy("route/fast", effect="deny")})
    assert of(where, "route/fast").reason == "denied"


@pytest.mark.parametrize("kind", ["route/fast", "integration/openai"])
def test_a_freeze_stops_a_route_or_one_of_its_ways(kind: str) -> None:
    uid = f"u-{kind.replace('/', '-')}"
    status = Status(freezes=(Freeze("f", f"acme/{kind}", "why", "2026-11-30", "ada", "acme", uid=uid),))
    where = tenant({"a": policy("route/*")})
    found = ways(where, status=status)
    assert found == ([] if kind == "route/fast" else [("integration/azure", "mini")])


def test_what_is_suspended_or_switched_off_is_no_way() -> None:
    allow = {"a": policy("route/*")}
    assert ways(tenant(allow, frozenset({"integration/openai"}))) == [("integration/azure", "mini")]
    off = {**INTEGRATIONS, "azure": {**INTEGRATIONS["azure"], "enabled": False}}
    assert ways(tenant(allow, integration=off)) == [EVERY[0], EVERY[2]]
    assert of(tenant(allow, frozenset({"route/fast"})), "route/fast").reason == "suspended"
    gone = {"openai": INTEGRATIONS["openai"]}
    assert ways(tenant(allow, integration=gone)) == [EVERY[0], EVERY[2]]


def test_models_have_names_and_only_those_of_the_caller() -> None:
    where = tenant({"a": policy("route/*", "integration/openai")})
    assert [*models_of(where, None, BOT)] == ["fast", "gpt-4.1", "openai/gpt-5", "openai/gpt-5-mini"]
    assert [*models_of(tenant({"a": policy("route/*")}), None, BOT)] == ["fast", "gpt-4.1"]


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("fast", "route/fast"),
        ("openai/gpt-5", "integration/openai"),
        ("azure/org/any/model", "integration/azure"),
        ("openai/other", None),
        ("openai", None),
        ("openai/", None),
        ("route/fast", None),
        ("slow", None),
    ],
)
def test_a_name_stands_for_one_target(model: str, target: str | None) -> None:
    assert target_of_model(tenant({}), model) == target


def test_a_name_that_two_routes_claim_stands_for_none() -> None:
    """Two pipelines can bring that about; whoever comes later must not take the calls of the other."""
    routes = {**ROUTES, "other": {**ROUTES["fast"], "models": ["fast", "slow"]}}
    where = tenant({"a": policy("route/*")}, route=routes)
    assert target_of_model(where, "fast") is None
    assert [*models_of(where, None, BOT)] == ["gpt-4.1", "slow"]


def test_the_classification_is_what_may_be_sent() -> None:
    """An allow by classification needs one; a deny by it fits what has none."""
    classified = {**INTEGRATIONS, "azure": {**INTEGRATIONS["azure"], "classification": "internal"}}
    allow = policy("integration/*", classification=["internal"])
    where = tenant({"a": allow}, integration=classified)
    assert of(where, "integration/azure").allowed
    assert not of(where, "integration/openai").allowed
    deny = policy(effect="deny", classification=["restricted"])
    where = tenant(
        {"a": policy("route/*"), "d": deny},
        integration=classified,
        route={"fast": {**ROUTES["fast"], "classification": "public"}},
    )
    assert of(where, "route/fast").allowed
    assert ways(where) == EVERY, "a route's own classification counts for all of its ways"


@pytest.mark.parametrize("target", ["route/fast", "integration/openai"])
def test_explain_says_who_may(target: str) -> None:
    from datetime import UTC, datetime

    found = explain(tenant({"a": policy("route/*")}), None, Question("bot", target), datetime.now(UTC))
    assert found.allowed == (target == "route/fast")


@pytest.mark.parametrize(("config", "words"), [({"project": "p"}, "Vertex AI"), ({}, "")], ids=["vertex", "gemini"])
def test_what_needs_minted_tokens_is_not_served(config: dict[str, Any], words: str) -> None:
    one = {"g": {"provider": "gemini", "credential": "env://A", "config": config}}
    decision = of(tenant({"a": policy("integration/*")}, integration=one, route={}), "integration/g")
    assert decision.allowed == (not words)
    assert words in decision.message
