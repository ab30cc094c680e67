"""Files of rules: what is wrong in them is told with its place, and nothing in them does harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import ConfigurationInvalid, Problem
from tests.lint.support import CONNECTOR, findings, manifest, rules_of
from tests.load.support import loaded, write

HEAD = "version: 1\nrules:\n"


def rule(about: str = "connector", expect: str = "{path: type, equals: sql}", more: str = "") -> str:
    return f"{HEAD}  my-rule:\n    about: {about}\n    severity: error\n    message: 'no {{address}}'\n    expect: {expect}\n{more}"


def problems(folder: Path, text: str | bytes) -> list[Problem]:
    (folder / "my.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    write(folder, {"reconciler.yaml": "version: 1\nlint: {rules: [my.yaml]}\n"})
    try:
        rules_of(folder)
    except ConfigurationInvalid as error:
        return [*error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "code", "place", "hint"),
    [
        (rule(expect="{path: typo, equals: sql}"), "unknown-path", "7:20", "did you mean `type`?"),
        (rule(expect="{path: type, equals: sqll}"), "unknown-value", "7:34", "did you mean `sql`?"),
        (rule(expect="{path: type, one_of: [sql, htp]}"), "unknown-value", "7:40", "did you mean `http`?"),
        (rule(expect="{set: true, set: false}"), "duplicate-key", "7:25", None),
        (rule(expect="{path: type}"), "empty-condition", "7:13", None),
        (rule(expect="{pat: type, set: true}"), "unknown-field", "7:14", "did you mean `path`?"),
        (rule(expect="{path: tools, every: {path: riks, set: true}}"), "unknown-path", "7:41", "did you mean `risk`?"),
        (rule(expect="{path: type, some: {set: true}}"), "unknown-path", "7:32", None),
        (rule(expect="{referred_by: {field: targett}}"), "unknown-path", "7:35", "did you mean `target`?"),
        (rule(expect="{referred_by: {with: {path: tpye, set: true}}}"), "unknown-path", "7:41", "did you mean `type`?"),
        (rule(expect="{path: type, matches: '(a'}"), "invalid-pattern", "7:35", None),
        (rule(expect="{path: type, not: {path: x, set: true}}"), "unknown-path", "7:38", None),
        (rule(more="    each: tolls.*\n"), "unknown-path", "8:11", "did you mean `tools`?"),
        (rule(more="    at: tpye\n"), "unknown-path", "8:9", "did you mean `type`?"),
        (rule(more="    when: {path: tpye, set: true}\n"), "unknown-path", "8:18", "did you mean `type`?"),
        (rule(more="    enabled: 'no'\n"), "wrong-type", "8:14", None),
        (rule(about="conector"), "invalid-choice", "4:12", "did you mean `connector`?"),
        (rule(about="[connector, plan]"), "conflicting-fields", "4:12", None),
        (rule("change", "{in_tenant: {kind: limit}}"), "conflicting-fields", "7:25", None),
        (rule("change", "{path: acton, equals: delete}"), "unknown-path", "7:20", "did you mean `action`?"),
        (rule().replace("{address}", "{adress}"), "unknown-placeholder", "6:14", "did you mean `address`?"),
        (rule().replace("{address}", "{key}"), "unknown-placeholder", "6:14", None),
        (rule("plan", "{path: project, set: true}"), "unknown-placeholder", "6:14", None),
        (rule().replace("error", "fatal"), "invalid-choice", "5:15", None),
        (rule().replace("my-rule", "My Rule"), "invalid-format", "3:3", None),
        (rule().replace("my-rule", "datasource-open"), "duplicate-rule", "3:3", None),
        (rule().replace("my-rule", "lint-unused"), "duplicate-rule", "3:3", None),
        ("version: 2\nrules: {}\n", "invalid-choice", "1:10", None),
        ("", "rule-file", "1:1", None),
        (f"{rule()}---\n{rule()}", "rule-file", "1:1", None),
    ],
)  # fmt: skip
def test_problems_have_places(tmp_path: Path, text: str, code: str, place: str, hint: str | None) -> None:
    (problem,) = problems(tmp_path, text)
    assert (problem.code, str(problem.place)) == (code, f"{tmp_path}/my.yaml:{place}")
    assert hint is None or problem.hint == hint


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = rule(expect="{path: typo, set: true}").replace("error", "fatal")
    other = (
        rule("plan", "{path: nowhere, set: true}")
        .removeprefix(HEAD)
        .replace("my-rule", "other")
        .replace("{address}", "")
    )
    assert [one.code for one in problems(tmp_path, text + other)] == ["invalid-choice", "unknown-path"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02",
        b"\xff\xfe\x00",
        b"a: &a [1]\nb: &b [*a, *a]\n" * 1,
        ("a: &a0 [x]\n" + "".join(f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 50)}]\n" for n in range(9))).encode(),
        b"[" * 100_000,
        b"version: 1\nrules: {a: {about: \xe2\x80\xae connector}}",
        ("version: 1\nrules:\n  a:\n    expect: " + "{not: " * 60 + "{set: true}" + "}" * 60).encode(),
        b"version: 1\nrules: " + b"x" * 1_000_000,
        rule(expect=f"{{path: type, like: '{'*a' * 500}'}}").encode(),
        rule(expect=f"{{path: {'a.' * 100}b, set: true}}").encode(),
    ],
    ids=str,
)  # fmt: skip
def test_hostile_files_are_problems(tmp_path: Path, data: bytes) -> None:
    assert problems(tmp_path, data)


@pytest.mark.parametrize("name", ["../out.yaml", "/etc/passwd", "link.yaml"])
def test_rules_stay_inside_the_project(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "project"
    write(tmp_path, {"out.yaml": rule(), "project/reconciler.yaml": f"version: 1\nlint: {{rules: [{name}]}}\n"})
    (folder / "link.yaml").symlink_to(tmp_path / "out.yaml")
    with pytest.raises(ConfigurationInvalid) as error:
        rules_of(folder)
    assert [problem.code for problem in error.value.problems] == ["outside-project"]


@pytest.mark.parametrize("setting", ["disable: {datasource-opn: x}", "severity: {datasource-opn: info}"])
def test_a_project_names_rules_that_exist(tmp_path: Path, setting: str) -> None:
    write(tmp_path, {"reconciler.yaml": f"version: 1\nlint:\n  {setting}\n"})
    with pytest.raises(ConfigurationInvalid) as error:
        rules_of(tmp_path)
    (problem,) = error.value.problems
    assert (problem.code, problem.hint) == ("unknown-rule", "did you mean `datasource-open`?")
    assert str(problem.place).endswith("reconciler.yaml:3:" + str(setting.index("{") + 4))


def test_a_projects_own_rules_are_no_manifests(tmp_path: Path) -> None:
    """Also where `include` does not say what manifests are."""
    project = "version: 1\nlint: {rules: [lint/my.yaml], disable: {lint-unused: x}, severity: {my-rule: info}}\n"
    files = {
        "reconciler.yaml": project,
        "lint/my.yaml": rule(expect="{path: type, equals: http}"),
        **manifest(CONNECTOR),
    }
    assert len(loaded(tmp_path, files).configuration.resources) == 1
    assert findings(tmp_path, files) == [("my-rule", "acme.yaml:4:14")]
    assert rules_of(tmp_path).on["my-rule"].severity == "info"


def test_disabled_rules_are_silent(tmp_path: Path) -> None:
    text = "integrations:\n  ai: {provider: openai, credential: vault://kv/acme/ai#key}\n"
    project = "version: 1\nlint: {disable: {integration-any-model: we trust them}}\n"
    found = findings(tmp_path, {"reconciler.yaml": project, **manifest(text)})
    assert [name for name, _ in found] == ["integration-without-limit"]


def test_rules_count_in_their_environments(tmp_path: Path) -> None:
    project = "version: 1\nenvironments: {dev: {}, prod-eu: {}}\nlint: {rules: [my.yaml]}\n"
    text = rule(expect="{path: protected, equals: true}", more="    environments: [prod*]\n")
    write(tmp_path, {"reconciler.yaml": project, "my.yaml": text, **manifest(CONNECTOR)})
    from reconciler.lint.find import findings_in

    rules = rules_of(tmp_path).on
    told = {
        env: [one.rule for one in findings_in(rules, loaded(tmp_path, {}, env).configuration)]
        for env in ("dev", "prod-eu")
    }
    assert told == {"dev": [], "prod-eu": ["my-rule"]}


def test_a_message_never_replaces_twice(tmp_path: Path) -> None:
    """A key that looks like a placeholder stays what it is."""
    from reconciler.lint.rule import Rule

    made = Rule.model_validate(
        {
            "about": "connector",
            "severity": "info",
            "message": "{key} {address}",
            "each": "tools.*",
            "expect": {"set": True},
        }
    )
    assert made.said({"key": "{address}", "address": "x"}) == "{address} x"
