"""What is shown of a line when several things meet on it: layers, aliases, tenants, problems of different sorts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import Problem, ReconcilerError
from tests.load.support import HEAD, loaded

CANARY = "c4n4ry"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(folder: Path, files: dict[str, str], environment: str | None = None) -> list[Problem]:
    with pytest.raises(ReconcilerError) as caught:
        loaded(folder, files, environment)
    assert CANARY not in repr(caught.value.problems)
    return list(caught.value.problems)


def lines(folder: Path, files: dict[str, str], environment: str | None = None) -> list[tuple[str, str, str]]:
    """Code, excerpt, and what of the excerpt is marked."""
    problems = found(folder, files, environment)
    return [(p.code, p.excerpt or "", (p.excerpt or "")[p.caret : p.caret + p.width]) for p in problems]


def test_a_masked_line_is_masked_for_every_problem_on_it(tmp_path: Path) -> None:
    text = f"{HEAD}integrations:\n  a: {{provider: openai, credential: env://K, api_key: {CANARY}, enabled: often, models: x}}\n"
    shown = "  a: {provider: ***, credential: ***, api_key: ***, enabled: ***, models: ***}"
    assert lines(tmp_path, {"a.yaml": text}) == [
        ("unknown-field", shown, "api_key"),
        ("wrong-type", shown, "***"),
        ("wrong-type", shown, "***"),
    ]
    assert [p.caret for p in found(tmp_path, {})] == [
        shown.index("api_key"),
        shown.index("often".replace("often", "enabled")) + 9,
        shown.index("models") + 8,
    ]


def test_a_line_that_is_no_good_yaml_shows_its_first_key_only(tmp_path: Path) -> None:
    text = f"{HEAD}limits:\n  a: {{target: tenant, per: day, requests: !int {CANARY}, on_exceed: stop}}\n"
    assert lines(tmp_path, {"a.yaml": text}) == [
        ("unknown-tag", "  a: ***", "***"),
        ("invalid-choice", "  a: ***", "***"),
    ]


def test_fields_that_are_public_are_shown_and_others_are_not(tmp_path: Path) -> None:
    text = f"{HEAD}connectors:\n  a: {{type: http, base_url: 'https://h', headers: {{X-A: {CANARY}}}, auth: {{type: basic, username: u, password: env://P}}, rate_limit: 0}}\n"
    [(_, shown, marked)] = lines(tmp_path, {"a.yaml": text})
    assert (
        shown
        == "  a: {type: http, base_url: ***, headers: {X-A: ***}, auth: {type: basic, username: u, password: ***}, rate_limit: 0}"
    )
    assert marked == "0"


def test_another_resource_on_the_same_line_is_masked(tmp_path: Path) -> None:
    text = f"{HEAD}limits: {{a: {{target: tenant, per: week, requests: 1}}, b: {{target: tenant, per: day, requests: 2}}}}\n"
    assert lines(tmp_path, {"a.yaml": text}) == [
        ("invalid-choice", "limits: {a: {target: tenant, per: week, requests: 1}, b: {target: ***, per: ***, requests: ***}}", "week"),
    ]  # fmt: skip


def test_a_field_that_only_another_type_knows_is_not_shown(tmp_path: Path) -> None:
    """`database` is public for one type; under another type nobody knows what it holds."""
    text = f"{HEAD}connectors:\n  a: {{type: http, base_url: 'https://h', database: {CANARY}}}\n"
    assert lines(tmp_path, {"a.yaml": text}) == [
        ("unknown-field", "  a: {type: ***, base_url: ***, database: ***}", "database")
    ]


def test_a_map_where_a_text_is_public(tmp_path: Path) -> None:
    text = f"{HEAD}integrations:\n  a: {{provider: openai, credential: env://K, description: {{password: {CANARY}, x: [{CANARY}]}}}}\n"
    [(_, shown, _)] = lines(tmp_path, {"a.yaml": text})
    assert shown == "  a: {provider: openai, credential: ***, description: {password: ***, x: [***]}}"


def test_a_label_with_a_secret_name_is_not_shown(tmp_path: Path) -> None:
    text = f"{HEAD}integrations:\n  a: {{provider: openai, credential: env://K, labels: {{team: a, api_key: {CANARY}}}, enabled: 5}}\n"
    [(_, shown, _)] = lines(tmp_path, {"a.yaml": text})
    assert shown == "  a: {provider: openai, credential: ***, labels: {team: a, api_key: ***}, enabled: 5}"


def test_an_alias_is_shown_as_what_it_is_written_as(tmp_path: Path) -> None:
    text = f"{HEAD}connectors:\n  a: {{type: custom, config: &c {{name: {CANARY}}}}}\n  b: {{type: http, base_url: 'https://h', labels: *c, rate_limit: 0}}\n"
    assert lines(tmp_path, {"a.yaml": text}) == [
        ("out-of-range", "  b: {type: http, base_url: ***, labels: ***, rate_limit: 0}", "0")
    ]


def test_the_line_of_an_anchor_shows_nothing_of_its_first_owner(tmp_path: Path) -> None:
    """The problem is one of `b`, and its place is in the body of `a`: what is public in `b` need not be so there."""
    text = f"{HEAD}connectors:\n  a: {{type: custom, config: &c {{name: {CANARY}, n: 5}}}}\n  b: {{type: http, base_url: 'https://h', labels: *c}}\n"
    assert lines(tmp_path, {"a.yaml": text}) == [
        ("wrong-type", "  a: {type: ***, config: *** {name: ***, n: ***}}", "***"),
    ]


def test_layers(tmp_path: Path) -> None:
    files = {
        "reconciler.yaml": f"version: 1\nenvironments: {{e: {{overlays: [over], variables: {{x: {CANARY}}}}}}}\ndefaults: {{integrations: {{max_retries: 11, credential: 'env://{CANARY.upper()}'}}}}\n",
        "a.yaml": f"{HEAD}integrations: {{a: {{provider: custom, base_url: 'https://h', config: {{k: {CANARY}}}, enabled: often}}}}\n",
        "over/b.yaml": f"{HEAD}integrations: {{a: {{timeout_seconds: 0, config: {{l: {CANARY}, m: '${{var.x}}', api_key: '${{var.x}}'}}}}}}\n",
    }
    assert lines(tmp_path, files, "e") == [
        ("wrong-type", "integrations: {a: {provider: custom, base_url: ***, config: {k: ***}, enabled: often}}", "often"),
        ("out-of-range", "integrations: {a: {timeout_seconds: ***, config: {l: ***, m: ***, api_key: ***}}}", "***"),
        ("plaintext-secret", "integrations: {a: {timeout_seconds: ***, config: {l: ***, m: ***, api_key: ***}}}", "***"),
        ("out-of-range", "defaults: {integrations: {max_retries: 11, credential: ***}}", "11"),
    ]  # fmt: skip


def test_the_project_file(tmp_path: Path) -> None:
    text = f"{{version: 1, project: No, variables: {{x: {CANARY}}}, environments: {{e: {{database: 'sqlite:///{CANARY}', variables: {{y: {CANARY}}}}}}}, ignore: 5}}\n"
    shown = "{version: 1, project: No, variables: {x: ***}, environments: {e: {database: ***, variables: {y: ***}}}, ignore: ***}"
    assert lines(tmp_path, {"reconciler.yaml": text}) == [("invalid-name", shown, "No"), ("wrong-type", shown, "***")]


def test_one_problem_for_many_tenants_tells_of_the_first(tmp_path: Path) -> None:
    text = "version: 1\ntenants: [b, a, c]\nlimits: {l: {target: integration/i, per: day, requests: 1, description: '${tenant} ${var.x}'}}\n"
    [variable, dangling] = found(tmp_path, {"a.yaml": text})[::-1]
    assert (variable.code, dangling.code) == ("unknown-variable", "dangling-reference")
    assert dangling.message.startswith("a/limit/l refers to a/integration/i")


def test_different_problems_of_different_tenants_are_all_told(tmp_path: Path) -> None:
    text = "version: 1\ntenants: [a, b]\ndatasources: {d: {type: database, connector: 'db-${tenant}', tables: [x]}}\n---\nversion: 1\ntenant: a\nconnectors: {db-a: {type: sql, dialect: mysql, dsn: 'env://D'}}\n"
    [problem] = found(tmp_path, {"a.yaml": text})
    assert problem.message == "b/datasource/d refers to b/connector/db-b, which is not declared"


def test_behind_the_end_of_an_excerpt_its_end_is_marked(tmp_path: Path) -> None:
    text = f"{HEAD}limits: {{a: {{target: tenant, per: day, description: {'x' * 300}, requests: x}}}}\n"
    [problem] = found(tmp_path, {"a.yaml": text})
    assert problem.place is not None
    assert problem.place.column == 365
    assert problem.excerpt is not None
    assert len(problem.excerpt) == 200
    assert problem.excerpt[problem.caret] == "…"
