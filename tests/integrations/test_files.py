"""What pipelines include is valid for the services' own schemas and passes a security linter; tests/pipeline runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

ACTION = ROOT / "action.yml"
WORKFLOW = ROOT / "integrations/github/workflow.yml"
DRIFT = ROOT / "integrations/github/drift.yml"


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("github-actions", ACTION),
        ("github-workflows", WORKFLOW),
        ("github-workflows", DRIFT),
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
    assert findings(ACTION, WORKFLOW, DRIFT) == set()
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
