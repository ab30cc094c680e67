"""What pipelines include is valid for the services' own schemas, passes a security linter, and its scripts run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import BASE, ROOT, command_environment

ACTION = ROOT / "action.yml"
WORKFLOW = ROOT / "integrations/github/workflow.yml"


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("github-actions", ACTION),
        ("github-workflows", WORKFLOW),
        ("gitlab-ci", ROOT / "integrations/gitlab/reconciler.yml"),
    ],
)
def test_the_services_schemas_accept_it(schema: str, file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def findings(*files: Path) -> set[str]:
    """What zizmor finds, by name; that a version is a placeholder in a template is meant so."""
    done = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--format=json", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    return {finding["ident"] for finding in json.loads(done.stdout)} - {"unpinned-uses"}


def test_a_linter_finds_no_hole(tmp_path: Path) -> None:
    assert findings(ACTION, WORKFLOW) == set()
    worse = tmp_path / "action.yml"
    worse.write_text(ACTION.read_text().replace('"$SOURCE"', "${{ github.event.pull_request.title }}"))
    assert findings(worse) == {"template-injection"}


def test_the_hooks_never_reach_a_database() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [(hook["id"], hook["entry"], hook["pass_filenames"]) for hook in hooks] == [
        ("reconciler-validate", "reconciler validate", False),
        ("reconciler-lint", "reconciler lint", False),
        ("reconciler-fmt", "reconciler fmt", False),
    ]


class Runner:
    """Runs steps of the action as GitHub does: bash -e -o pipefail, files for outputs; `gh` only writes down."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.steps = {step["name"]: step for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]}
        self.work = place / "checkout"
        tools = place / "reconciler/bin"
        for folder in (self.work, tools):
            folder.mkdir(parents=True)
        (self.work / "acme.yaml").write_text(BASE)
        self._tool(tools / "reconciler", f'exec "{sys.executable}" -m reconciler "$@"')
        self._tool(tools / "gh", f'echo "$*" >> {place}/calls; case "$*" in *--paginate*) cat {place}/found;; esac')
        (place / "found").touch()

    @staticmethod
    def _tool(file: Path, script: str) -> None:
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def step(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {
            "PATH": f"{self.place}/reconciler/bin:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.place),
            "GITHUB_STEP_SUMMARY": str(self.place / "summary"),
            "GITHUB_OUTPUT": str(self.place / "output"),
            "RECONCILER_DATABASE_URL": f"sqlite:///{self.place}/state.db",
            "ENVIRONMENT": "",
            **env,
        }
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", self.steps[name]["run"]],
            cwd=self.work,
            env=command_environment(own),
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[Any]:
        return (self.place / "calls").read_text().splitlines()


def test_the_actions_steps_plan_comment_and_apply(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    assert runner.step("Validate").returncode == 0
    planned = runner.step("Plan")
    assert planned.returncode == 0, planned.stderr
    assert "::notice file=acme.yaml" in planned.stdout
    body = (tmp_path / "plan.md").read_text()
    assert body.startswith("<!-- reconciler plan ")
    assert (tmp_path / "summary").read_text() == body
    assert (tmp_path / "output").read_text().startswith("has_changes<<end_")

    comments = {"COMMENTS": "repos/o/r/issues/1/comments", "COMMENT": "repos/o/r/issues/comments"}
    assert runner.step("Comment", **comments).returncode == 0
    assert runner.calls()[-1].startswith("api --silent --method POST repos/o/r/issues/1/comments ")
    (tmp_path / "found").write_text("77\n78\n")
    assert runner.step("Comment", **comments).returncode == 0
    assert runner.calls()[-1].startswith("api --silent --method PATCH repos/o/r/issues/comments/77 ")

    applied = runner.step("Apply")
    assert applied.returncode == 0, applied.stderr
    lines = applied.stdout.splitlines()
    assert lines[0].startswith("::stop-commands::stop-")
    assert lines[-1] == f"::{lines[0].removeprefix('::stop-commands::')}::"
    assert "Apply complete! Resources: 3 added, 0 changed, 0 destroyed." in applied.stdout


def test_an_invalid_configuration_stops_the_action(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    (runner.work / "acme.yaml").write_text("version: 1\ntenant: acme\nlimit: {}\n")
    done = runner.step("Validate")
    assert done.returncode == 3
    assert done.stdout.startswith("::error file=acme.yaml,line=3,")
    assert runner.step("Apply").returncode == 3
