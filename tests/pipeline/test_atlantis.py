"""The steps of Atlantis in a real shell, as its server runs them: with environments and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import BASE, ROOT, command_environment

WORKFLOW = yaml.safe_load((ROOT / "integrations/atlantis/repos.yaml").read_text())["workflows"]["reconciler"]


@pytest.mark.parametrize("workspace", ["default", "prod"])
def test_a_plan_and_its_apply(tmp_path: Path, workspace: str) -> None:
    settings = "version: 1\nproject: shop\ninclude: [acme.yaml]\n"
    settings += "environments: {dev: {}, prod: {}}\n" if workspace == "prod" else ""
    (tmp_path / "reconciler.yaml").write_text(settings)
    (tmp_path / "acme.yaml").write_text(BASE)
    tool = tmp_path / "bin/reconciler"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    tool.chmod(0o755)
    environment = command_environment(
        {
            "PATH": f"{tool.parent}:/usr/bin:/bin",
            "WORKSPACE": workspace,
            "PLANFILE": str(tmp_path / f"shop-{workspace}.tfplan"),
            "RECONCILER_DATABASE_URL": f"sqlite:///{tmp_path}/live.db",
        }
    )
    output = ""
    for stage in ("plan", "apply"):
        for step in WORKFLOW[stage]["steps"]:
            done = subprocess.run(
                ["sh", "-c", step["run"]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            output += done.stdout
    assert "Plan: 3 to add" in output
    assert "Apply complete! Resources: 3 added" in output


def test_each_project_is_an_environment() -> None:
    projects = yaml.safe_load((ROOT / "integrations/atlantis/atlantis.yaml").read_text())["projects"]
    assert [(one["name"], one["workspace"], one["workflow"]) for one in projects] == [
        ("dev", "dev", "reconciler"),
        ("prod", "prod", "reconciler"),
    ]
