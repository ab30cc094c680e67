"""``reconciler lint`` as people and pipelines run it: exit codes, formats, environments, plans."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.conftest import ROOT, Ran, reconciler
from tests.load.support import write
from tests.runtime.worlds import WORLD

HEAD = "version: 1\ntenant: acme\n"
RISKY = f"""{HEAD}integrations:
  ai: {{provider: openai, credential: vault://kv/acme/ai#key}}
connectors:
  tools:
    type: mcp
    transport: streamable_http
    url: https://mcp.example.com/mcp
    tools:
      drop: {{risk: high}}
limits:
  month: {{target: tenant, per: month, cost_usd: 100}}
"""
FOUND = ["integration-any-model", "mcp-risky-tool-without-approval", "mcp-tool-unpinned"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of a git repository, with one finding of each severity."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "platform"
    write(folder, {"acme.yaml": RISKY, "more.yaml": "version: 1\ntenant: globex\nlimits: {}\n"})
    return folder


def lint(project: Path, *arguments: str) -> Ran:
    return reconciler("lint", *(arguments or (".",)), cwd=project)


def test_findings_are_told_with_place_and_next_step(project: Path) -> None:
    ran = lint(project).ok(1)
    assert (
        ran.out
        == """\
Warning: acme/integration/ai allows every model of its provider, the dearest and the newest ones too
  on acme.yaml:4:3
  4 |   ai: {provider: openai, credential: ***}
    |   ^^
  next: list the models that are meant in `models`
  [integration-any-model]

Error: acme/connector/tools lets agents call `drop`, whose risk is high, without a person's approval
  on acme.yaml:11:13
  11 |       drop: {risk: high}
     |             ^
  next: say `requires_approval: true`
  [mcp-risky-tool-without-approval]

Info: acme/connector/tools declares `drop`, which nobody can call: what it does was never pinned
  on acme.yaml:11:13
  11 |       drop: {risk: high}
     |             ^
  next: run `reconciler mcp pin CONNECTOR --write`, and review what it writes
  [mcp-tool-unpinned]

3 findings: 1 error, 1 warning, 1 info.
"""
    )


@pytest.mark.parametrize(("severity", "code"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)])
def test_the_severity_decides(project: Path, severity: str, code: int) -> None:
    lint(project, ".", "--fail-severity", severity).ok(code)


def test_by_default_only_errors_fail(project: Path) -> None:
    (project / "acme.yaml").write_text(RISKY.replace("high", "medium"))
    assert lint(project, ".", "-q").ok().out == "2 findings: 1 warning, 1 info.\n"
    lint(project, ".", "--fail-severity", "warning").ok(1)


def test_nothing_to_find(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": f"{HEAD}limits: {{month: {{target: tenant, per: month, requests: 5}}}}\n"})
    assert lint(tmp_path, ".", "--fail-severity", "info").ok().out == "No findings.\n"


def test_an_invalid_configuration_is_told_as_validate_does(project: Path) -> None:
    (project / "acme.yaml").write_text(RISKY.replace("risk: high", "risk: hihg"))
    ran = lint(project).ok(3)
    assert ran.out == ""
    assert ran.err == reconciler("validate", ".", cwd=project).err
    assert lint(project, ".", "--format", "json").ok(3).json["errors"][0]["code"] == "invalid-choice"
    assert lint(project, ".", "--format", "github").ok(3).out.startswith("::error file=platform/acme.yaml,line=11,")


def test_bad_rules_and_bad_manifests_are_told_in_one_run(project: Path) -> None:
    (project / "acme.yaml").write_text(RISKY.replace("risk: high", "risk: hihg"))
    rules = project.parent / "rules.yaml"
    rules.write_text("version: 1\nrules: {a: 5}\n")
    errors = lint(project, ".", "--rules", "../rules.yaml", "--format", "json").ok(3).json["errors"]
    assert [(error["code"], error["line"]) for error in errors] == [("invalid-choice", 11), ("wrong-type", 2)]


def test_json_carries_problems_with_severity_and_rule(project: Path) -> None:
    document = lint(project, ".", "--format", "json").ok(1).json
    assert document["summary"] == {"error": 1, "warning": 1, "info": 1}
    assert (document["valid"], document["failed"], document["fail_severity"]) == (True, True, "error")
    assert [one["rule"] for one in document["findings"]] == FOUND
    assert all(one["rule"] == one["code"] for one in document["findings"])
    first = document["findings"][0]
    assert (first["address"], first["file"], first["line"], first["severity"]) == (
        "acme/integration/ai",
        "acme.yaml",
        4,
        "warning",
    )
    assert document["rules"].keys() == set(FOUND)


def test_formats_follow_the_severity(project: Path) -> None:
    annotations = lint(project, ".", "--format", "github").ok(1).out.splitlines()
    assert [line.partition(" ")[0] for line in annotations] == ["::error", "::warning", "::notice"]
    assert "file=platform/acme.yaml,line=11," in annotations[0]
    quality = lint(project, ".", "--format", "gitlab").ok(1).json
    assert [(one["severity"], one["check_name"]) for one in quality] == list(
        zip(["minor", "major", "info"], FOUND, strict=True)
    )
    run = lint(project, ".", "--format", "sarif").ok(1).json["runs"][0]
    assert [one["level"] for one in run["results"]] == ["warning", "error", "note"]
    levels = {one["id"]: one["defaultConfiguration"]["level"] for one in run["tool"]["driver"]["rules"]}
    assert levels == dict(zip(FOUND, ["warning", "error", "note"], strict=True))


def test_junit_fails_what_the_run_fails_for(project: Path) -> None:
    def tags(severity: str, code: int) -> dict[str | None, list[str]]:
        text = lint(project, ".", "--format", "junit", "--fail-severity", severity).ok(code).out
        top = ElementTree.fromstring(text)
        assert top.get("name") == "reconciler lint"
        return {case.get("name"): [element.tag for element in case] for case in top.iter("testcase")}

    assert tags("error", 1) == {"platform/acme.yaml": ["failure", "system-out"], "platform/more.yaml": []}
    assert tags("info", 1)["platform/acme.yaml"] == ["failure"]
    assert tags("never", 0)["platform/acme.yaml"] == ["system-out"]


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "reconciler.yaml": "version: 1\nenvironments: {dev: {overlays: [dev]}, prod: {}}\n",
            "acme.yaml": f"{HEAD}connectors:\n  db: {{type: sql, dialect: postgresql, dsn: vault://kv/acme/db#dsn}}\n",
            "dev/acme.yaml": f"{HEAD}connectors:\n  db: {{ssl: disable}}\n",
        },
    )
    return tmp_path


def test_all_environments_unless_one_is_named(environments: Path) -> None:
    findings = reconciler("lint", "--format", "json", cwd=environments).ok().json["findings"]
    assert [(one["rule"], one["file"]) for one in findings] == [("sql-unencrypted", "dev/acme.yaml")]
    assert findings[0]["message"].endswith("(in dev)")
    assert reconciler("lint", "--env", "prod", cwd=environments).ok().out == "No findings.\n"
    assert "(in dev)" not in reconciler("lint", "--env", "dev", cwd=environments).ok().out


def test_a_comment_that_one_environment_needs_is_needed(environments: Path) -> None:
    allow = " # lint: allow sql-unencrypted because it is a sandbox\n"
    for name in ("acme.yaml", "dev/acme.yaml"):
        file = environments / name
        before = file.read_text()
        file.write_text(before.rstrip() + allow)
        assert reconciler("lint", cwd=environments).ok().out == "No findings.\n"
        assert reconciler("lint", "--env", "prod", cwd=environments).ok().out == "No findings.\n"
        file.write_text(before)
    (environments / "dev/acme.yaml").write_text(f"{HEAD}connectors:\n  db: {{max_rows: 5}}{allow}")
    ran = reconciler("lint", cwd=environments).ok()
    assert "`sql-unencrypted` has nothing to complain of here" in ran.out
    assert "[lint-unused]" in ran.out


def test_paths_and_tenants_narrow(project: Path) -> None:
    write(
        project,
        {"reconciler.yaml": "version: 1\n", "more.yaml": RISKY.replace("acme", "globex") + "# lint: nonsense\n"},
    )
    assert len(lint(project, "--format", "json").ok(1).json["findings"]) == 7
    assert {one["file"] for one in lint(project, "acme.yaml", "--format", "json").ok(1).json["findings"]} == {
        "acme.yaml"
    }
    found = lint(project, "--tenant", "globex", "--format", "json").ok(1).json["findings"]
    assert {one["file"] for one in found} == {"more.yaml"}
    found = lint(project, "--target", "acme/integration/ai", "acme.yaml", "--format", "json").ok().json["findings"]
    assert [one["rule"] for one in found] == ["integration-any-model"]


PLAIN = f"{HEAD}connectors:\n  crm:\n    type: http\n    base_url: https://crm.example.com\n    auth: {{type: bearer, token: vault://kv/acme/crm#a}}\n"


def test_plans(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(f"{PLAIN}limits:\n  month: {{target: tenant, per: month, cost_usd: 100, protected: true}}\n")
    reconciler("apply", ".", "--auto-approve", cwd=tmp_path).ok()
    file.write_text(PLAIN.replace("crm.example.com", "evil.example.org").replace("crm#a", "crm#b"))
    reconciler("plan", ".", "--out", "p.plan", cwd=tmp_path).ok()
    found = reconciler("lint", "--plan", "p.plan", "--format", "json", cwd=tmp_path).ok(1).json["findings"]
    assert [(one["rule"], one["address"], one["line"]) for one in found] == [
        ("change-destroys-protected", "acme/limit/month", None),
        ("change-redirects-credential", "acme/connector/crm", 4),
    ]
    write(
        tmp_path,
        {
            "rules.yaml": "version: 1\nrules:\n  small-plans:\n    about: plan\n    severity: info\n    message: too much at once\n"
            "    expect: {path: resource_changes, size: {at_most: 1}}\n"
            "  no-token-change:\n    about: change\n    severity: warning\n    message: '{address} {path} {key}'\n    each: fields.*\n"
            "    expect: {not: {path: field, like: auth.*}}\n"
        },
    )
    ran = reconciler("lint", "--plan", "p.plan", "--rules", "rules.yaml", "--format", "json", cwd=tmp_path).ok(1)
    found = [
        (one["rule"], one["message"], one["line"])
        for one in ran.json["findings"]
        if not one["rule"].startswith("change")
    ]
    assert found == [
        ("small-plans", "too much at once", None),
        ("no-token-change", "acme/connector/crm fields[0] 0", 7),
    ]


def test_many_deletions_in_a_plan(tmp_path: Path) -> None:
    limits = "".join(f"  l{n}: {{target: tenant, per: month, requests: {n}}}\n" for n in range(12))
    (tmp_path / "acme.yaml").write_text(f"{PLAIN}limits:\n{limits}")
    reconciler("apply", ".", "--auto-approve", cwd=tmp_path).ok()
    (tmp_path / "acme.yaml").write_text(PLAIN)
    reconciler("plan", ".", "--out", "p.plan", cwd=tmp_path).ok()
    ran = reconciler("lint", "--plan", "p.plan", cwd=tmp_path).ok()
    assert "[plan-destroys-many]" in ran.out


def test_plans_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text('{"a": ')
    reconciler("lint", "--plan", "bad", cwd=tmp_path).ok(8)
    reconciler("lint", "--plan", "none", cwd=tmp_path).ok(1)
    assert "leave out PATH" in reconciler("lint", ".", "--plan", "bad", cwd=tmp_path).ok(64).err


def test_a_finding_never_shows_a_secret_or_controls_a_terminal(tmp_path: Path) -> None:
    text = f"""{HEAD}connectors:
  tools:
    type: mcp
    transport: stdio
    command: x
    env:
      API_TOKEN: {{plain: CANARY-9f3b7c1e}} # lint: \u202eallow x
"""
    (tmp_path / "a.yaml").write_text(text)
    for form in ("text", "json", "github", "gitlab", "sarif", "junit"):
        ran = reconciler("lint", ".", "--format", form, cwd=tmp_path).ok()
        assert "plain-value-looks-secret" in ran.out
        assert "lint-comment" in ran.out
        assert "CANARY" not in ran.text
        assert "\u202e" not in ran.text


def test_the_same_bytes_every_time(project: Path) -> None:
    (project / "more.yaml").write_text(RISKY.replace("acme", "globex") + "# lint: allow a, b because x\n" * 3)
    seeds = [
        reconciler("lint", ".", "--format", "json", cwd=project, env={"PYTHONHASHSEED": seed}).ok(1).out
        for seed in "123"
    ]
    assert len(set(seeds)) == 1
    assert json.loads(seeds[0])["summary"]["warning"] > 6


SELECTING = """\
version: 1
tenant: acme
connectors: {db: {type: sql, dialect: sqlite, database: w.db}}
callers: {bot: {roles: [r], auth: {api_key: {}}}}
policies:
  p: {effect: deny, subjects: {callers: ['b*', 'x*']}, actions: any, targets: {names: ['connector/*']}}
"""


def test_selectors_are_counted_and_those_of_nothing_are_findings(tmp_path: Path) -> None:
    project = "version: 1\nproject: p\nignore: [{address: '*/connector/*', field: max_rows, reason: x}]\n"
    (tmp_path / "reconciler.yaml").write_text(project)
    (tmp_path / "acme.yaml").write_text(SELECTING)
    ran = reconciler("lint", cwd=tmp_path).ok()
    assert "[matches-nothing]" in ran.out
    assert "  ignore */connector/* max_rows: 1 resource\n  acme/policy/p: 1 caller, 1 target\n" in ran.out
    assert reconciler("lint", "--fail-severity", "warning", cwd=tmp_path).code == 1
    told = reconciler("lint", "--format", "json", cwd=tmp_path).ok().json["selectors"]
    assert told == [
        {"environment": None, "selector": "ignore */connector/* max_rows", "resources": 1},
        {"environment": None, "selector": "acme/policy/p", "callers": 1, "targets": 1},
    ]
    plan = reconciler("plan", cwd=tmp_path).ok().out
    assert ("1 selector selects nothing" in plan, "acme/policy/p: 1 caller" in plan) == (True, False)
    assert "acme/policy/p: 1 caller, 1 target" in reconciler("plan", "-v", cwd=tmp_path).ok().out
    (tmp_path / "reconciler.yaml").write_text(project + "lint: {disable: {matches-nothing: later}}\n")
    assert "[matches-nothing]" not in reconciler("lint", cwd=tmp_path).ok().out


@pytest.mark.parametrize("command", ["lint", "graph", "export", "list", "plan"])
def test_a_selection_of_what_is_not_there_is_an_error(tmp_path: Path, command: str) -> None:
    (tmp_path / "acme.yaml").write_text(SELECTING.replace(", 'x*'", ""))
    reconciler("apply", ".", "--auto-approve", cwd=tmp_path).ok()
    where = ["."] if command in {"lint", "graph", "plan"} else []
    for narrowed, meant in (("--tenant", "acme"), ("--target", "acme/connector/db")):
        reconciler(command, *where, narrowed, meant, cwd=tmp_path).ok()
        typo = reconciler(command, *where, narrowed, f"{meant}x", cwd=tmp_path).ok(64)
        assert f"did you mean {meant}?" in typo.err


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("lint: {disable: {mcp-tool-unpined: x}}", "unknown-rule"),
        ("lint: {severity: {label-taem: error}}", "unknown-rule"),
        ("lint: {rules: [rules.yml]}", "unknown-environment"),
        ("lint: {rules: [gone.yml]}", ""),
    ],
)
def test_validate_judges_what_lint_goes_by(tmp_path: Path, settings: str, code: str) -> None:
    (tmp_path / "reconciler.yaml").write_text(
        f"version: 1\nproject: p\ninclude: [acme.yaml]\nenvironments: {{dev: {{}}}}\n{settings}\n"
    )
    (tmp_path / "acme.yaml").write_text(SELECTING.replace(", 'x*'", ""))
    (tmp_path / "rules.yml").write_text(
        "version: 1\nrules:\n  mine: {about: connector, severity: error, message: m, environments: [dve], expect: {set: true}}\n"
    )
    done = reconciler("validate", cwd=tmp_path).ok(3)
    assert code in done.err


def test_rules_about_what_a_plan_does_to_access(tmp_path: Path) -> None:
    """The example of docs/lint.md: a plan's effects are part of its document."""
    guide = (ROOT / "docs" / "lint.md").read_text()
    rules = yaml.safe_load(
        next(block for block in guide.split("```yaml\n") if "nothing-more-writes" in block).split("```")[0]
    )
    rule = rules["rules"]["nothing-more-writes"]
    none = {
        "about": "plan",
        "expect": {"path": "access_summary.widened", "at_most": 0},
        "severity": "info",
        "message": "wider",
    }
    document = {"version": 1, "rules": {"nothing-more-writes": rule, "nothing-wider": none}}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "acme.yaml").write_text(yaml.safe_dump(WORLD))
    reconciler("plan", "acme.yaml", "--out", "p.plan", cwd=tmp_path).ok()
    ran = reconciler("lint", "--plan", "p.plan", "--rules", "rules.yaml", "--format", "json", cwd=tmp_path).ok(1)
    found = {one["code"] for one in ran.json["findings"]}
    assert {"nothing-more-writes", "nothing-wider"} <= found
