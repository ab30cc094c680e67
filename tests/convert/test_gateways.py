"""Gateways' configurations: what they reach becomes integrations and connectors, and their rules are never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.convert.one import Made, made
from tests.convert.samples import DATA


def sample(format: str, folder: Path) -> Made:
    return made(format, (DATA / f"{format}.yaml").read_text(), folder, "in.yaml")


def test_agentgateway(tmp_path: Path) -> None:
    found = sample("agentgateway", tmp_path)
    connectors, models = found.of("connector"), found.of("integration")
    assert sorted(connectors["everything"]["tools"]) == ["add", "echo"]
    assert connectors["everything"]["env"] == {"API_KEY": "env://EVERYTHING_KEY"}
    assert connectors["remote"]["url"] == "https://mcp.example.com:443/mcp"
    assert "runtime" not in connectors["remote"]
    assert connectors["guarded"]["runtime"] is False
    assert models["chat"] == {"provider": "openai", "models": ["gpt-5"], "credential": "env://OPENAI_API_KEY"}
    assert models["claude"]["enabled"] is False
    assert len(found.restrictions) == 2


@pytest.mark.parametrize(
    "policies",
    [
        {"mcpAuthorization": {"rules": ['mcp.tool.name == "a" && jwt.sub == "x"']}},
        {"localRateLimit": [{"maxTokens": 1}]},
        {"extAuthz": {"host": "x"}},
        {"authorization": {"rules": ["true"]}},
        {"ai": {"promptGuard": {"request": []}}},
    ],
)
def test_a_rule_of_agentgateway_switches_off(policies: dict[str, Any], tmp_path: Path) -> None:
    target = {"name": "a", "mcp": {"host": "a.example"}}
    for place in ("route", "backend", "target"):
        one = {**target, **({"policies": policies} if place == "target" else {})}
        backend = {"mcp": {"targets": [one]}, **({"policies": policies} if place == "backend" else {})}
        route = {"backends": [backend], **({"policies": policies} if place == "route" else {})}
        found = made("agentgateway", {"binds": [{"port": 1, "listeners": [{"routes": [route]}]}]}, tmp_path)
        assert found.of("connector")["a"]["runtime"] is False, place
        assert found.restrictions


def test_deck(tmp_path: Path) -> None:
    models = sample("deck", tmp_path).of("integration")
    assert models["chat-route"] == {"provider": "openai", "models": ["gpt-5"], "credential": "env://OPENAI_KEY"}
    assert models["limited"]["config"] == {"api_version": "2024-10-21", "deployments": {"gpt-5": "prod"}}
    assert models["limited"]["base_url"] == "https://acme.openai.azure.com"
    assert [models[name]["enabled"] for name in ("limited", "limited-2", "off")] == [False] * 3


@pytest.mark.parametrize("place", ["global", "service", "route"])
@pytest.mark.parametrize("name", ["acl", "ai-rate-limiting-advanced", "ai-prompt-guard", "key-auth"])
def test_a_plugin_of_kong_switches_off(name: str, place: str, tmp_path: Path) -> None:
    value = yaml.safe_load((DATA / "deck.yaml").read_text())
    service = value["services"][0]
    owner = {"global": value, "service": service, "route": service["routes"][0]}[place]
    owner["plugins"] = [*owner.get("plugins", []), {"name": name, "config": {"a": 1}}]
    found = made("deck", value, tmp_path)
    assert found.of("integration")["chat-route"]["enabled"] is False
    owner["plugins"][-1]["enabled"] = False
    assert "enabled" not in made("deck", value, tmp_path).of("integration")["chat-route"]


def test_a_cap_on_tokens_switches_off(tmp_path: Path) -> None:
    value = yaml.safe_load((DATA / "deck.yaml").read_text())
    value["services"][0]["routes"][0]["plugins"][0]["config"]["model"]["options"] = {"max_tokens": 10}
    assert made("deck", value, tmp_path).of("integration")["chat-route"]["enabled"] is False


def test_envoy(tmp_path: Path) -> None:
    found = sample("envoy", tmp_path)
    models = found.of("integration")
    assert models["openai"] == {"provider": "openai", "models": ["gpt-5"], "credential": "env://OPENAI_API_KEY"}
    assert models["own"]["base_url"] == "http://llama.internal.example:8080/v1"
    assert models["own"]["enabled"] is False
    connector = found.of("connector")["openai"]
    assert connector["url"] == "https://api.openai.com/mcp"
    assert [*connector["tools"]] == ["search"]
    assert connector["auth"] == {"type": "bearer", "token": "env://OPENAI_TOKEN"}


@pytest.mark.parametrize("kind", ["BackendTrafficPolicy", "SecurityPolicy"])
def test_a_policy_of_envoy_switches_off(kind: str, tmp_path: Path) -> None:
    policy = f"\n---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: {kind}\nmetadata: {{name: p}}\nspec: {{rateLimit: {{type: Global}}}}\n"
    found = made("envoy", (DATA / "envoy.yaml").read_text() + policy, tmp_path, "in.yaml")
    assert found.of("integration")["openai"]["enabled"] is False
    assert found.of("connector")["openai"]["runtime"] is False
