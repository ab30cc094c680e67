"""`models`: what agents may name, what answers, and what it costs."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import reconciler

FILES = """version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: env://K, models: [gpt-5-mini]}
  eu: {provider: bedrock, credential: env://B, config: {region: eu-central-1}}
routes:
  fast:
    models: [fast]
    deployments:
    - {integration: openai, model: gpt-5-mini}
    - {integration: eu, model: eu.anthropic.claude-sonnet-4-20250514-v1:0}
"""
SERVE = """version: 1
prices:
  accept: [bedrock/eu.anthropic.*]
  models:
    openai/gpt-5-mini: {input: 9, output: 18, max_output_tokens: 1000}
"""


def test_they_are_listed_with_what_answers(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FILES)
    found = reconciler("models", "--format", "json", cwd=tmp_path).ok().json["models"]
    assert [(one["model"], one["target"]) for one in found] == [
        ("fast", "route/fast"),
        ("openai/gpt-5-mini", "integration/openai"),
    ]
    assert [one["integration"] for one in found[0]["deployments"]] == ["openai", "eu"]
    text = reconciler("models", cwd=tmp_path).ok().text
    assert "route/fast" in text
    assert "$" not in text


def test_prices_are_the_packages_until_the_operator_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FILES)
    (tmp_path / "serve.yaml").write_text(SERVE)
    plain, own = (
        reconciler("models", "--prices", *more, "--format", "json", cwd=tmp_path).ok().json["models"][0]["deployments"]
        for more in ((), ("--config", "serve.yaml"))
    )
    assert [one["price_from"] for one in plain] == ["exact", "family"]
    assert plain[1]["usd_per_million"] is None
    assert plain[1]["matched"]
    assert [one["price_from"] for one in own] == ["settings", "family"]
    assert own[0]["usd_per_million"] == {"input": 9, "output": 18}
    assert own[0]["max_output_tokens"] == 1000
    assert own[1]["usd_per_million"]["input"] > 0
    assert "serve.yaml" in reconciler("models", "--prices", "--config", "serve.yaml", cwd=tmp_path).ok().text


def test_without_any_it_says_what_to_declare(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("version: 1\ntenant: acme\n")
    assert "declare `routes`" in reconciler("models", cwd=tmp_path).ok().text


def test_a_price_of_no_provider_is_refused(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FILES)
    (tmp_path / "serve.yaml").write_text("version: 1\nprices: {models: {gpt-5: {input: 1}}}\n")
    assert "PROVIDER/MODEL" in reconciler("models", "--prices", "--config", "serve.yaml", cwd=tmp_path).ok(3).text
