"""Where a saved plan is applied, besides what ``test_saved.py`` says: environments by variable and default, names, folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.saved import printed
from tests.conftest import BASE, Run, reconciler

PROJECT = "version: 1\nproject: shop\nenvironments: {dev: {}, prod: {}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "acme.yaml").write_text(BASE)
    return folder


def test_it_works_from_a_folder_outside_of_the_project(project: Path, tmp_path: Path) -> None:
    saved = reconciler("plan", "--project", "project", "--env", "dev", "--out", "x.plan", cwd=tmp_path).ok().out
    reconciler(*printed(saved), "--auto-approve", cwd=tmp_path).ok()
    assert (project / ".reconciler" / "dev.db").exists()
    lost = reconciler("apply", "x.plan", "--auto-approve", cwd=tmp_path).ok(64)
    assert "there is no project here" in lost.err
    assert "--project FILE" in lost.err
    assert not (tmp_path / ".reconciler").exists()


def test_a_contradicting_environment_is_refused(project: Path) -> None:
    reconciler("plan", "--env", "dev", "--out", "x.plan", cwd=project).ok()
    for arguments, env in ((["--env", "prod"], {}), ([], {"RECONCILER_ENV": "prod"})):
        ran = reconciler("apply", "x.plan", "--auto-approve", *arguments, cwd=project, env=env).ok(6)
        assert "[wrong-environment]" in ran.err
        assert "leave out --env" in ran.err
    assert not (project / ".reconciler").exists()
    reconciler("apply", "x.plan", "--auto-approve", "--env", "dev", cwd=project).ok()


def test_a_default_environment_does_not_contradict(project: Path) -> None:
    (project / "reconciler.yaml").write_text(PROJECT + "default_environment: dev\n")
    reconciler("plan", "--env", "prod", "--out", "x.plan", cwd=project).ok()
    assert "environment prod" in reconciler("apply", "x.plan", "--auto-approve", cwd=project).ok().out


def test_a_plan_is_not_called_like_a_manifest(project: Path) -> None:
    ran = reconciler("plan", "--env", "dev", "--out", "x.yaml", cwd=project).ok(64)
    assert "x.plan" in ran.err
    assert not (project / "x.yaml").exists()


def test_plans_of_adopt_and_rollback_too(run: Run, base: Path, folder: Path) -> None:
    run("apply", ".", "--auto-approve").ok()
    saved = run("forget", "acme/limit/month", "--out", "let go.plan").ok().out
    assert printed(saved) == ["apply", "let go.plan"]
    run(*printed(saved), "--auto-approve").ok()
