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


POLICY = """callers: {bot: {roles: [bot], auth: {api_key: {}}}}
policies:
  a: {effect: allow, subjects: {roles: [bot]}, actions: [invoke], targets: {names: [integration/*, route/fast], classification: [internal]}}
"""
VERTEX = """version: 1
tenant: beta
integrations:
  v: {provider: gemini, classification: internal, credential: env://K, config: {project: p}RUNTIME}
"""


def test_policies_speak_of_models_without_a_warning(tmp_path: Path) -> None:
    files = FILES.replace("provider: openai,", "provider: openai, classification: internal,")
    (tmp_path / "acme.yaml").write_text(files + POLICY)
    done = reconciler("validate", cwd=tmp_path).ok()
    assert "Warning" not in done.text


def test_what_needs_minted_tokens_is_refused_where_agents_are_meant_to_call_it(tmp_path: Path) -> None:
    policy = POLICY.replace(", route/fast", "")
    (tmp_path / "beta.yaml").write_text(VERTEX.replace("RUNTIME", "") + policy)
    assert "Vertex AI" in reconciler("validate", cwd=tmp_path).ok(3).text
    (tmp_path / "beta.yaml").write_text(VERTEX.replace("RUNTIME", ", runtime: false") + policy)
    reconciler("validate", cwd=tmp_path).ok()


def test_explain_takes_a_way_of_a_route(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(FILES + POLICY)
    for target in ("route/fast/openai", "acme/route/fast/openai"):
        text = reconciler("access", "explain", target, "--caller", "bot", "--offline", cwd=tmp_path).ok().text
        assert "acme/route/fast, acme/integration/openai" in text
