"""Integrations: what each provider needs, and its options."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.facts import healing_fields
from reconciler.kinds.table import KINDS

from .support import REF, body, found, minimal, one

NEEDS_KEY = ["openai", "anthropic", "azure_openai", "gemini", "mistral", "cohere"]
NEEDS_URL = ["azure_openai", "ollama", "custom"]
PROVIDERS = list(KINDS["integration"].variants)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_credential(provider: str) -> None:
    raw = minimal("integration", provider)
    raw.pop("credential", None)
    expected = {("missing-field", ("credential",))} if provider in NEEDS_KEY else set()
    assert found("integration", raw) == expected
    assert found("integration", {**raw, "credential": "sk-abc"}) == {("plaintext-secret", ("credential",))}
    assert found("integration", {**raw, "credential": REF}) == set()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_base_url(provider: str) -> None:
    raw = minimal("integration", provider)
    raw.pop("base_url", None)
    expected = {("missing-field", ("base_url",))} if provider in NEEDS_URL else set()
    assert found("integration", raw) == expected
    assert found("integration", {**raw, "base_url": "https://gateway.example.com"}) == set()
    assert found("integration", {**raw, "base_url": "https://a:b@x.example"}) == {
        ("url-with-credentials", ("base_url",))
    }
    assert found("integration", {**raw, "base_url": "ftp://x.example"}) == {("invalid-url", ("base_url",))}


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        ("openai", {"organization": "org-1", "project": "proj-1"}),
        ("anthropic", {"version": "2023-06-01", "beta": ["a", "b"]}),
        ("azure_openai", {"api_version": "2024-10-21", "deployments": {"gpt-5": "prod"}}),
        ("azure_openai", {"api_version": "2025-01-01-preview"}),
        ("azure_openai", {"api_version": "v1"}),
        ("bedrock", {"region": "us-gov-west-1", "profile": "p", "role_arn": "arn:aws:iam::1:role/x"}),
        ("gemini", {"project": "p", "location": "europe-west4", "api_version": "v1beta"}),
        ("mistral", {"safe_prompt": True}),
        ("cohere", {"client_name": "acme"}),
        ("ollama", {"keep_alive": "10m", "num_ctx": 4096}),
        ("ollama", {"keep_alive": "-1"}),
        ("custom", {"anything": {"goes": [1, 2]}, "api_key": REF}),
    ],
)
def test_options(provider: str, config: Any) -> None:
    raw = minimal("integration", provider, config=config)
    assert body("integration", raw)["config"].items() >= config.items()


@pytest.mark.parametrize(
    ("provider", "config", "expected"),
    [
        ("openai", {"organisation": "x"}, {("unknown-field", ("config", "organisation"))}),
        ("openai", {"region": "x"}, {("unknown-field", ("config", "region"))}),
        ("openai", [], {("wrong-type", ("config",))}),
        ("anthropic", {"version": "latest"}, {("invalid-format", ("config", "version"))}),
        ("anthropic", {"beta": ["a", "a"]}, {("duplicate-item", ("config", "beta"))}),
        ("azure_openai", {"api_version": "newest"}, {("invalid-format", ("config", "api_version"))}),
        ("azure_openai", {"deployments": {"gpt": ""}}, {("too-short", ("config", "deployments", "gpt"))}),
        ("bedrock", {}, {("missing-field", ("config", "region"))}),
        ("bedrock", {"region": "Frankfurt"}, {("invalid-format", ("config", "region"))}),
        ("gemini", {"api_version": "v3"}, {("invalid-choice", ("config", "api_version"))}),
        ("mistral", {"safe_prompt": "yes"}, {("wrong-type", ("config", "safe_prompt"))}),
        ("ollama", {"keep_alive": "long"}, {("invalid-format", ("config", "keep_alive"))}),
        ("ollama", {"num_ctx": 0}, {("out-of-range", ("config", "num_ctx"))}),
        ("custom", {"api_key": "sk-1"}, {("plaintext-secret", ("config", "api_key"))}),
    ],
)
def test_wrong_options(provider: str, config: Any, expected: Any) -> None:
    assert found("integration", minimal("integration", provider, config=config)) == expected


def test_bedrock_needs_its_options() -> None:
    assert found("integration", {"provider": "bedrock"}) == {("missing-field", ("config",))}


def test_an_option_has_a_near_name() -> None:
    problem = one("integration", minimal("integration", "openai", config={"organisation": "x"}))
    assert (problem.hint, problem.expected) == ("did you mean `organization`?", "organization, project")


def test_the_default_model_is_among_the_models() -> None:
    raw = minimal("integration", "openai", models=["gpt-5", "gpt-5-mini"], default_model="gpt-5-mnii")
    problem = one("integration", raw)
    assert (problem.code, problem.path) == ("default-not-in-models", ("default_model",))
    assert problem.hint == "did you mean `gpt-5-mini`?"
    assert found("integration", {**raw, "default_model": "gpt-5"}) == set()
    assert found("integration", {**raw, "models": []}) == set()


def test_models_are_a_set() -> None:
    first = body("integration", minimal("integration", "openai", models=["b", "a"]))
    assert first["models"] == ["a", "b"]
    assert found("integration", minimal("integration", "openai", models=["a", "a"])) == {
        ("duplicate-item", ("models",))
    }


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("max_retries", 11, "out-of-range"),
        ("max_retries", -1, "out-of-range"),
        ("timeout_seconds", 0, "out-of-range"),
        ("timeout_seconds", 3601, "out-of-range"),
        ("enabled", 1, "wrong-type"),
        ("default_model", "", "too-short"),
        ("default_model", "x" * 300, "too-long"),
        ("models", [f"m{i}" for i in range(1001)], "too-long"),
        ("description", "x" * 1025, "too-long"),
        ("labels", {f"k{i}": "v" for i in range(65)}, "too-long"),
    ],
)
def test_bounds(field: str, value: Any, code: str) -> None:
    assert found("integration", minimal("integration", "openai", **{field: value})) == {(code, (field,))}


def test_another_provider_is_another_identity() -> None:
    assert KINDS["integration"].identity == ("provider",)
    assert {*healing_fields(KINDS["integration"])} == {"credential", "config", "base_url", "provider", "auth_header"}
