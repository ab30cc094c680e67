"""Models of LiteLLM: routes are no names, Vertex AI is not AI Studio, and other ways to authenticate are no API keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.convert.one import Made, made


def one(folder: Path, model: str, **params: Any) -> tuple[dict[str, Any], Made]:
    found = made("litellm", {"model_list": [{"model_name": "m", "litellm_params": {"model": model, **params}}]}, folder)
    return found.of("integration")["m"], found


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bedrock/converse/anthropic.claude-sonnet-4", "anthropic.claude-sonnet-4"),
        ("bedrock/invoke/meta.llama3", "meta.llama3"),
        ("bedrock/us-east-1/anthropic.claude-v2", "anthropic.claude-v2"),
        ("openai/responses/gpt-5", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("openai/acme/finetuned", "acme/finetuned"),
    ],
)
def test_routes_are_no_part_of_a_models_name(model: str, name: str, tmp_path: Path) -> None:
    body, _found = one(tmp_path, model, api_key="os.environ/K")
    assert body["models"] == [name]


def test_a_region_before_a_model_is_the_region(tmp_path: Path) -> None:
    assert (
        one(tmp_path, "bedrock/eu-west-1/anthropic.claude-v2", api_key="os.environ/K")[0]["config"]["region"]
        == "eu-west-1"
    )


@pytest.mark.parametrize("model", ["azure/o_series/prod-o1", "azure/responses/prod-o1", "azure/gpt5_series/prod-o1"])
def test_a_deployment_of_azure(model: str, tmp_path: Path) -> None:
    base = "https://acme.openai.azure.com"
    body, found = one(tmp_path, model, api_base=base, tenant_id="t", client_id="c", client_secret="os.environ/S")
    assert body["config"]["deployments"] == {"m": "prod-o1"}
    assert body["enabled"] is False
    assert any("Entra ID" in reason for reason in found.restrictions)
    assert "S" not in str(body["credential"]).split("/")
    assert "enabled" not in one(tmp_path, model, api_base=base, api_key="os.environ/K")[0]


@pytest.mark.parametrize("prefix", ["vertex_ai", "vertex_ai_beta"])
@pytest.mark.parametrize("key", ["vertex_project", "vertex_ai_project"])
def test_vertex_ai_is_not_ai_studio(prefix: str, key: str, tmp_path: Path) -> None:
    location = {key.replace("project", "location"): "europe-west4"}
    body, _found = one(tmp_path, f"{prefix}/gemini-2.5-pro", **{key: "acme"}, **location)
    assert body["config"] == {"project": "acme", "location": "europe-west4"}
    assert body["enabled"] is False
    assert "GEMINI" not in body["credential"]
    assert "enabled" not in one(tmp_path, "gemini/gemini-2.5-pro", api_key="os.environ/K")[0]


@pytest.mark.parametrize(
    "params",
    [
        {
            "model": "bedrock/a.b",
            "aws_access_key_id": "os.environ/A",
            "aws_secret_access_key": "os.environ/B",
            "aws_region_name": "eu-west-1",
        },
        {"model": "sagemaker/x", "api_base": "https://x.example"},
        {"model": "vertex_ai/gemini-2.5-pro", "vertex_credentials": "os.environ/V", "vertex_project": "p"},
        {"model": "azure/x", "api_base": "https://x.openai.azure.com", "azure_ad_token": "os.environ/T"},
    ],
)
def test_what_is_no_api_key_switches_off_and_says_so(params: dict[str, Any], tmp_path: Path) -> None:
    body, found = one(tmp_path, params.pop("model"), **params)
    assert body["enabled"] is False
    assert "a credential is an API key here" in found.report


def test_an_empty_key_is_none(tmp_path: Path) -> None:
    assert one(tmp_path, "openai/gpt-5", api_key="")[0]["credential"] == "env://OPENAI_API_KEY"


def test_two_services_with_one_placeholder_have_two_references(tmp_path: Path) -> None:
    entries = [
        {
            "model_name": name,
            "litellm_params": {"model": f"{name}/x", "api_key": "YOUR_TOKEN_HERE", "api_base": "https://a.example"},
        }
        for name in ("openai", "mistral")
    ]
    found = made("litellm", {"model_list": entries}, tmp_path)
    assert len({body["credential"] for body in found.of("integration").values()}) == 2


def test_mcp_servers_become_connectors(tmp_path: Path) -> None:
    servers = {
        "docs": {
            "url": "https://docs.example.com/mcp",
            "transport": "http",
            "allowed_tools": ["read"],
            "static_headers": {"X-A": "b"},
        },
        "local": {"transport": "stdio", "command": "npx", "args": ["-y", "x"], "env": {"API_KEY": "os.environ/K"}},
        "few": {"url": "https://few.example.com/mcp", "allowed_params": {"read": ["a"]}},
    }
    found = made("litellm", {"model_list": [], "mcp_servers": servers}, tmp_path)
    connectors = found.of("connector")
    assert connectors["docs"]["tools"] == {"read": {"requires_approval": True}}
    assert connectors["docs"]["headers"] == {"X-A": "b"}
    assert connectors["local"]["env"] == {"API_KEY": "env://K"}
    assert connectors["few"]["runtime"] is False
