"""The kind `route`: names of models, deployments, and what their integrations say of them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.model_target import has_model
from reconciler.kinds.table import KINDS
from reconciler.model.target import UNKNOWN, UNUSABLE, Identity, Operation

from .support import REF, body, checked, found, minimal

DEPLOYMENT = {"integration": "openai", "model": "gpt-5-mini"}


def route(**fields: Any) -> dict[str, Any]:
    return minimal("route", "", **fields)


def test_the_page_of_the_contract_is_valid() -> None:
    raw = {
        "models": ["gpt-4.1", "gpt-5-mini"],
        "strategy": "priority",
        "deployments": [DEPLOYMENT, {"integration": "azure-eu", "model": "gpt-5-mini"}],
        "retry": {"attempts": 2, "statuses": [429, 500, 502, 503, 504, 529]},
        "first_byte_seconds": 30,
        "timeout_seconds": 600,
        "cooldown": {"failures": 3, "seconds": 30},
        "affinity": "session",
    }
    made = body("route", raw)
    assert {key: made[key] for key in raw} == raw


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"models": []}, ("too-short", ("models",))),
        ({"models": ["a", "a"]}, ("duplicate-item", ("models",))),
        ({"deployments": []}, ("too-short", ("deployments",))),
        ({"deployments": [DEPLOYMENT, DEPLOYMENT]}, ("duplicate-item", ("deployments", 1))),
        ({"deployments": [{**DEPLOYMENT, "weight": 2}]}, ("conflicting-fields", ("deployments", 0, "weight"))),
        ({"strategy": "fastest"}, ("invalid-choice", ("strategy",))),
        ({"retry": {"statuses": [200]}}, ("out-of-range", ("retry", "statuses", 0))),
        ({"max_output_tokens": 0}, ("out-of-range", ("max_output_tokens",))),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], fault: tuple[str, Any]) -> None:
    assert found("route", route(**fields)) == {fault}


def test_a_weight_has_a_meaning_where_it_is_weighed() -> None:
    assert found("route", route(strategy="weighted", deployments=[{**DEPLOYMENT, "weight": 2}])) == set()


def _checked(integration: dict[str, Any], **fields: Any) -> set[tuple[str, Any]]:
    raw = {"provider": "openai", "credential": REF, **integration}
    return {(one.code, one.path) for one in checked("route", "it", route_it=route(**fields), integration_openai=raw)}


def test_a_deployment_is_one_that_its_integration_has() -> None:
    assert _checked({}) == set()
    assert _checked({"models": ["gpt-5-mini"]}) == set()
    assert _checked({"models": ["gpt-5"]}) == {("unknown-model", ("deployments", 0, "model"))}


def test_a_route_sends_nothing_more_sensitive_than_its_integrations_may_get() -> None:
    assert _checked({"classification": "internal"}, classification="public") == set()
    assert _checked({"classification": "internal"}, classification="restricted") == {
        ("conflicting-fields", ("classification",))
    }
    assert _checked({}, classification="restricted") == set()


def test_a_name_that_means_an_integrations_model_is_taken() -> None:
    """`openai/gpt-5` is split at the first slash; which of the two it means must not depend on who declares what."""
    assert _checked({}, models=["fast", "openai/gpt-5"]) == {("duplicate-value", ("models", 1))}
    assert _checked({}, models=["other/gpt-5"]) == set()


BODIES = {
    "route/fast": body(
        "route", route(deployments=[DEPLOYMENT, {"integration": "eu", "model": "m"}, {**DEPLOYMENT, "model": "n"}])
    ),
    "integration/openai": body("integration", {"provider": "openai", "credential": REF}),
}


def resolve(kind: str, name: str) -> Operation | str:
    calls = KINDS[kind].calls
    assert calls is not None
    return calls.resolve(name, None, BODIES.get)


def test_a_route_has_a_way_for_each_integration() -> None:
    whole = resolve("route", "fast")
    assert isinstance(whole, Operation)
    assert whole.chain == ("route/fast",)
    assert whole.alternatives == ("route/fast/openai", "route/fast/eu")
    way = resolve("route", "fast/openai")
    assert isinstance(way, Operation)
    assert way.chain == ("route/fast", "integration/openai")
    assert (way.action, way.writes, way.alternatives) == ("invoke", False, ())


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("route", "slow", UNKNOWN),
        ("route", "fast/azure", UNKNOWN),
        ("route", "fast/eu", UNUSABLE),
        ("integration", "eu", UNKNOWN),
    ],
)
def test_what_is_not_there_is_no_target(kind: str, name: str, why: str) -> None:
    assert resolve(kind, name) == why


def test_a_model_takes_no_arguments_by_name() -> None:
    found = resolve("integration", "openai")
    assert isinstance(found, Operation)
    (unfit,) = found.inputs.bind({}, Identity("bot"))
    assert "/v1/chat/completions" in str(unfit)


def test_an_integration_without_a_list_has_every_model() -> None:
    assert has_model(BODIES["integration/openai"], "anything")
    assert not has_model({"models": ["a"]}, "b")
