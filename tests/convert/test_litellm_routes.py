"""LiteLLM's names, aliases, fallbacks, weights and keys become routes, callers and limits that are valid together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.conftest import reconciler

KEY = "os.environ/OPENAI_API_KEY"


def entry(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": KEY, **params}}


def converted(folder: Path, **document: Any) -> dict[str, Any]:
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    (folder / "in" / "proxy.yaml").write_text(yaml.safe_dump(document))
    ran = reconciler("convert", "litellm", "in/proxy.yaml", "--tenant", "acme", cwd=folder).ok()
    (folder / "out" / "acme.yaml").write_text(ran.out)
    reconciler("validate", "out", cwd=folder).ok()
    found: dict[str, Any] = yaml.safe_load(ran.out)
    return found


def test_a_name_becomes_a_route_to_its_deployments(tmp_path: Path) -> None:
    found = converted(tmp_path, model_list=[entry("fast", "openai/gpt-5-mini"), entry("gpt-5", "openai/gpt-5")])
    assert found["routes"] == {
        "fast": {"models": ["fast"], "deployments": [{"integration": "openai", "model": "gpt-5-mini"}]},
        "gpt-5": {"models": ["gpt-5"], "deployments": [{"integration": "openai", "model": "gpt-5"}]},
    }


def test_several_of_one_name_are_weighed(tmp_path: Path) -> None:
    models = [
        entry("fast", "openai/gpt-5-mini", weight=3),
        entry("fast", "azure/mini", api_base="https://a.openai.azure.com", weight=1),
    ]
    route = converted(tmp_path, model_list=models)["routes"]["fast"]
    assert route["strategy"] == "weighted"
    assert [one["weight"] for one in route["deployments"]] == [3, 1]


def test_an_order_is_kept(tmp_path: Path) -> None:
    models = [
        entry("fast", "openai/gpt-5-mini", order=2),
        entry("fast", "azure/mini", api_base="https://a.openai.azure.com", order=1),
    ]
    route = converted(tmp_path, model_list=models)["routes"]["fast"]
    assert "strategy" not in route
    assert [one["model"] for one in route["deployments"]] == ["fast", "gpt-5-mini"], "Azure's deployment has the name"


def test_fallbacks_are_tried_behind(tmp_path: Path) -> None:
    models = [entry("fast", "openai/gpt-5-mini"), entry("big", "openai/gpt-5"), entry("other", "openai/gpt-4.1")]
    found = converted(tmp_path, model_list=models, router_settings={"fallbacks": [{"fast": ["big", "other"]}]})[
        "routes"
    ]
    assert [one["model"] for one in found["fast"]["deployments"]] == ["gpt-5-mini", "gpt-5", "gpt-4.1"]
    assert [one["model"] for one in found["big"]["deployments"]] == ["gpt-5"]


def test_aliases_are_further_names(tmp_path: Path) -> None:
    aliases = {"gpt-4": "fast", "gpt-3.5": {"model": "fast", "hidden": True}}
    found = converted(
        tmp_path, model_list=[entry("fast", "openai/gpt-5-mini")], router_settings={"model_group_alias": aliases}
    )
    assert found["routes"]["fast"]["models"] == ["fast", "gpt-3.5", "gpt-4"]


def test_settings_of_the_router_are_the_routes(tmp_path: Path) -> None:
    settings = {"num_retries": 2, "allowed_fails": 4, "cooldown_time": 60, "timeout": 120}
    found = converted(tmp_path, model_list=[entry("fast", "openai/gpt-5")], router_settings=settings)["routes"]["fast"]
    assert found["retry"] == {"attempts": 3}
    assert found["cooldown"] == {"failures": 5, "seconds": 60}
    assert found["timeout_seconds"] == 120


def test_a_name_like_an_integrations_model_needs_no_route(tmp_path: Path) -> None:
    models = [entry("openai/gpt-5", "openai/gpt-5"), entry("openai/fast", "openai/gpt-5-mini"), entry("x", "openai/x")]
    found = converted(tmp_path, model_list=models)
    assert [*found["routes"]] == ["x"], "the other names are an integration's own model, or taken by one"


def test_a_pattern_is_no_route(tmp_path: Path) -> None:
    found = converted(tmp_path, model_list=[entry("openai/*", "openai/*")])
    assert "routes" not in found
    assert "models" not in found["integrations"]["openai"]


def test_a_budget_of_a_key_is_a_limit_on_its_caller(tmp_path: Path) -> None:
    keys = [
        {
            "key_alias": "Sales Bot",
            "token": "0f9a8b7c6d",
            "models": ["fast"],
            "max_budget": 50,
            "budget_duration": "30d",
            "rpm_limit": 60,
            "tpm_limit": 100000,
            "max_parallel_requests": 4,
        },
        {"key_alias": "all", "models": []},
        {"key_alias": "gone", "models": ["nothing"], "blocked": True},
        {"token": "abc"},
    ]
    found = converted(
        tmp_path, model_list=[entry("fast", "openai/gpt-5-mini"), entry("openai/gpt-5", "openai/gpt-5")], keys=keys
    )
    assert {*found["callers"]} == {"sales-bot", "all", "gone"}
    assert found["callers"]["gone"]["enabled"] is False
    assert found["policies"]["sales-bot-models"]["targets"] == {"names": ["route/fast"]}
    assert found["policies"]["all-models"]["targets"] == {"names": ["integration/openai", "route/fast"]}
    assert "gone-models" not in found["policies"]
    assert found["limits"]["sales-bot-budget"] == {"target": "caller/sales-bot", "per": "month", "cost_usd": "50"}
    assert found["limits"]["sales-bot-minute"]["tokens"] == 100000
    assert found["limits"]["sales-bot-at-once"]["concurrent"] == 4
    assert "0f9a8b7c6d" not in str(found)
