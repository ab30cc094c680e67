"""Selectors in a project with environments: what one of them has is no error in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.load.load import load
from tests.conftest import reconciler
from tests.load.selecting import DENY, WORLD, text
from tests.load.support import loaded, open_project, write


def test_what_counts_in_one_environment_is_no_error_in_another(tmp_path: Path) -> None:
    """A rule of the project's file is about all environments: it has to be of use in one."""
    folder = tmp_path / "p"
    rule = "{address: acme/limit/LATE, field: requests, reason: x}"
    project = f"version: 1\nproject: p\nignore: [{rule}]\nenvironments: {{dev: {{}}, prod: {{overlays: [prod]}}}}\n"
    files = {
        "reconciler.yaml": project.replace("LATE", "late"),
        "a.yaml": yaml.safe_dump(WORLD),
        "prod/b.yaml": "version: 1\ntenant: acme\nlimits: {late: {target: tenant, per: day, requests: 1}}\n",
    }
    write(folder, files)
    assert "Warning" not in reconciler("validate", cwd=folder).ok().text
    write(folder, {"reconciler.yaml": project.replace("LATE", "lat")})
    assert "[matches-nothing]" in reconciler("validate", cwd=folder).ok(3).err
    assert "Warning" in reconciler("validate", "--env", "prod", cwd=folder).ok().text


PROJECT = "version: 1\nproject: p\nenvironments: {dev: {}, prod: {overlays: [prod]}, stage: {overlays: [stage]}}\n"
OF_PROD = {
    "version": 1,
    "tenant": "acme",
    "templates": {"late": {**WORLD["templates"]["top"], "labels": {"team": "rod"}}},
    "callers": {"late-bot": {"roles": ["nurse"], "labels": {"team": "bleu"}, "auth": {"api_key": {}}}},
}
LATE: list[dict[str, Any]] = [
    {"subjects": {"callers": ["late-bot"]}},
    {"subjects": {"roles": ["nurse"]}},
    {"subjects": {"labels": {"team": "bleu"}}},
    {"targets": {"names": ["template/late"]}},
    {"targets": {"labels": {"team": "rod"}}},
]


def environments(policy: dict[str, Any], of_prod: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    """A base with a policy, which three environments share; prod declares more."""
    return {
        "reconciler.yaml": PROJECT,
        "a.yaml": text(policy, **more),
        "prod/b.yaml": yaml.safe_dump(OF_PROD if of_prod is None else of_prod),
        "stage/b.yaml": "version: 1\ntenant: acme\nlimits: {l: {target: tenant, per: day, requests: 1}}\n",
    }


@pytest.mark.parametrize("policy", LATE, ids=str)
def test_what_another_environment_has_is_a_warning_that_names_it(tmp_path: Path, policy: dict[str, Any]) -> None:
    files = environments(policy)
    assert loaded(tmp_path, files, "prod").judgement.warnings == ()
    for environment in ("dev", "stage"):
        (found,) = loaded(tmp_path, files, environment).judgement.warnings
        assert found.message.endswith("; it does in the environment prod")
    report = reconciler("validate", "--format", "json", cwd=tmp_path).ok().json
    assert [one["message"].rpartition(" (")[2] for one in report["warnings"]] == ["in dev, stage)"]
    assert "1 selector selects nothing" in reconciler("plan", "--env", "dev", cwd=tmp_path).ok().out


@pytest.mark.parametrize("policy", LATE, ids=str)
def test_what_no_environment_has_is_an_error_in_each(tmp_path: Path, policy: dict[str, Any]) -> None:
    write(tmp_path, environments(policy, {"version": 1, "tenant": "acme", "limits": {}}))
    for environment in ("dev", "prod", "stage"):
        assert "[matches-nothing]" in reconciler("validate", "--env", environment, cwd=tmp_path).ok(3).err
    assert reconciler("validate", cwd=tmp_path).ok(3).err.count("[matches-nothing]") == 1


def test_an_environment_that_is_invalid_still_has_its_names(tmp_path: Path) -> None:
    broken = {**OF_PROD, "connectors": {"bad": {"type": "sql"}}}
    files = environments(LATE[0], broken)
    (found,) = loaded(tmp_path, files, "dev").judgement.warnings
    assert found.message.endswith("; it does in the environment prod")


def test_what_a_tenant_of_another_environment_has(tmp_path: Path) -> None:
    """One document, for the tenants that each environment's variable lists."""
    shared = {"version": 1, "tenants": "${var.tenants}", "policies": {"p": {**DENY, **LATE[0]}}}
    project = "{dev: {variables: {tenants: [acme]}}, prod: {variables: {tenants: [acme, globex]}, overlays: [prod]}}"
    files = {
        "reconciler.yaml": f"version: 1\nproject: p\nenvironments: {project}\n",
        "a.yaml": yaml.safe_dump(shared),
        "prod/b.yaml": yaml.safe_dump({"version": 1, "tenant": "globex", "callers": OF_PROD["callers"]}),
    }
    assert len(loaded(tmp_path, files, "prod").judgement.warnings) == 1
    assert len(loaded(tmp_path, files, "dev").judgement.warnings) == 1


def test_other_environments_are_read_for_an_unmatched_literal_only(tmp_path: Path) -> None:
    """And each of them once, however many literals ask for it."""
    write(tmp_path, environments({"subjects": {"callers": ["sales-bot"]}}))
    project = open_project(tmp_path)
    load(project, "dev")
    assert project.worlds == {}
    write(tmp_path, environments({"subjects": {"callers": ["late-bot"], "roles": ["nurse"]}}))
    load(project, "dev")
    assert [*project.worlds] == ["prod"]


def test_warnings_are_shown_beside_errors(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": text({"subjects": {"callers": ["x-*"]}}, limits={"l": {"target": "tenant"}})})
    done = reconciler("validate", ".", cwd=tmp_path).ok(3)
    assert ("[matches-nothing]" in done.err, done.err.count("Error: "), done.err.count("Warning: ")) == (True, 1, 1)
    report = reconciler("validate", ".", "--format", "json", cwd=tmp_path).ok(3).json
    assert (len(report["errors"]), [one["code"] for one in report["warnings"]]) == (1, ["matches-nothing"])
    assert "::warning" in reconciler("validate", ".", "--format", "github", cwd=tmp_path).ok(3).out
    for command in (("plan", "."), ("lint", ".")):
        assert reconciler(*command, cwd=tmp_path).ok(3).err.count("Warning: ") == 1


def test_doubts_about_the_project_file_are_shown_beside_errors(tmp_path: Path) -> None:
    files = environments({}, limits={"l": {"target": "tenant"}})
    rule = "ignore: [{address: acme/limit/nobody, field: requests, reason: x}]\n"
    write(tmp_path, {**files, "reconciler.yaml": PROJECT + rule})
    codes = [one["code"] for one in reconciler("validate", "--format", "json", cwd=tmp_path).ok(3).json["errors"]]
    assert "matches-nothing" in codes
    assert len(codes) == 2
