"""``--format`` of validate and plan for pipelines: exit codes stay, files are named from the top of the repository."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import BASE, Ran, reconciler


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of a git repository."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "platform"
    folder.mkdir()
    (folder / "acme.yaml").write_text(BASE)
    (folder / "more.yaml").write_text("version: 1\ntenant: globex\nlimits: {}\n")
    return folder


def validate(project: Path, form: str) -> Ran:
    return reconciler("validate", ".", "--format", form, cwd=project)


def test_a_valid_configuration_gives_reports_that_succeed(project: Path) -> None:
    assert validate(project, "github").ok().out.strip() == ""
    assert validate(project, "gitlab").ok().json == []
    assert validate(project, "sarif").ok().json["runs"][0]["results"] == []
    cases = ElementTree.fromstring(validate(project, "junit").ok().out).iter("testcase")
    assert [(case.get("name"), len(case)) for case in cases] == [("platform/acme.yaml", 0), ("platform/more.yaml", 0)]


def test_problems_keep_their_exit_code_and_name_files_from_the_top(project: Path) -> None:
    (project / "acme.yaml").write_text(BASE.replace("connector: warehouse", "connector: nowhere"))
    assert validate(project, "github").ok(3).out.startswith("::error file=platform/acme.yaml,line=7,")
    assert validate(project, "gitlab").ok(3).json[0]["location"]["path"] == "platform/acme.yaml"
    place = validate(project, "sarif").ok(3).json["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "platform/acme.yaml"
    cases = ElementTree.fromstring(validate(project, "junit").ok(3).out).iter("testcase")
    assert [(case.get("name"), len(case)) for case in cases] == [("platform/acme.yaml", 1), ("platform/more.yaml", 0)]


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif", "junit"])
def test_a_bad_project_file_is_reported_like_any_other(project: Path, form: str) -> None:
    (project / "reconciler.yaml").write_text("version: 1\nnonsense: true\n")
    ran = validate(project, form).ok(3)
    assert "platform/reconciler.yaml" in ran.out
    assert ran.err == ""


def test_a_plan_on_github_leaves_a_summary_and_outputs(project: Path, tmp_path: Path) -> None:
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    (tmp_path / "output").write_text("before=1\n")
    ran = reconciler("plan", ".", "--format", "github", cwd=project, env=files).ok()
    assert ran.out.count("::notice file=platform/acme.yaml,line=") == 3
    assert "3 to add" in (tmp_path / "summary").read_text()
    lines = (tmp_path / "output").read_text().splitlines()
    assert lines[0] == "before=1"
    assert lines[2] == "true"
    again = reconciler("plan", ".", "--format", "github", cwd=project, env=files).ok()
    assert again.out == ran.out
    delimiters = {line.partition("<<")[2] for line in (tmp_path / "output").read_text().splitlines() if "<<" in line}
    assert len(delimiters) == 2


def test_a_plan_on_gitlab_is_its_counts(project: Path) -> None:
    ran = reconciler("plan", ".", "--format", "gitlab", "--detailed-exitcode", cwd=project).ok(2)
    assert json.loads(ran.out) == {"create": 3, "update": 0, "delete": 0}


def test_a_plan_that_fails_on_github_is_annotated(project: Path) -> None:
    (project / "acme.yaml").write_text("version: 1\ntenant: acme\nlimit: {}\n")
    ran = reconciler("plan", ".", "--format", "github", cwd=project).ok(3)
    assert ran.out.startswith("::error file=platform/acme.yaml,line=3,")
    assert ran.err.strip() == ""
