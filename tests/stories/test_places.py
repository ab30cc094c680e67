"""Places belong to the project: the same whichever folder a command runs in, and apart from what a plan would do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Db, Run, reconciler

PROJECT = """version: 1
project: shop
include: [base/*.yaml]
variables: {budget: 5}
environments: {prod: {overlays: [prod], variables: {budget: 7}}}
defaults:
  limits: {on_exceed: warn}
"""
MANIFEST = """version: 1
tenant: acme
limits:
  month:
    target: tenant
    per: month
    requests: ${var.budget}
    tokens: 10
"""
OVERLAY = """version: 1
tenant: acme
limits:
  month:
    tokens: 20
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "base").mkdir()
    (folder / "prod").mkdir()
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "base" / "acme.yaml").write_text(MANIFEST)
    (folder / "prod" / "acme.yaml").write_text(OVERLAY)
    return folder


def planned(project: Path, cwd: Path, out: Path, url: str) -> bytes:
    arguments = ("plan", "--project", str(project / "reconciler.yaml"), "--env", "prod", "--out", str(out))
    reconciler(*arguments, cwd=cwd, env={"RECONCILER_DATABASE_URL": url}).ok()
    return out.read_bytes()


def test_a_plan_is_the_same_from_any_folder(project: Path, db: Db, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plans = {planned(project, cwd, tmp_path / "a.plan", db.url) for cwd in (project, project / "base", elsewhere)}
    assert len(plans) == 1
    assert str(project).encode() not in plans.pop()


@pytest.mark.parametrize("environment", ["prod", "dev"])
def test_a_database_of_the_project_has_one_name(project: Path, db: Db, tmp_path: Path, environment: str) -> None:
    """It was named from the working directory: a plan's bytes, and the home folder in them, came from the shell."""
    databases = (
        "environments: {prod: {overlays: [prod], variables: {budget: 7}, database: 'sqlite:///state.db'}, dev: {}}"
    )
    old = "environments: {prod: {overlays: [prod], variables: {budget: 7}}}"
    (project / "reconciler.yaml").write_text(PROJECT.replace(old, databases))
    link = tmp_path / "link"
    link.symlink_to(project)
    plans = set()
    for cwd, named in (
        (project, "."),
        (project / "base", ".."),
        (tmp_path, "link"),
        (link, "."),
        (Path("/"), str(link)),
    ):
        out = tmp_path / "a.plan"
        reconciler("plan", "--project", named, "--env", environment, "--out", str(out), cwd=cwd).ok()
        plans.add(out.read_bytes())
    assert len(plans) == 1
    name = {"prod": "state.db", "dev": ".reconciler/dev.db"}[environment]
    assert json.loads(plans.pop())["database"] == f"sqlite:///{name}"


def test_without_a_project_files_are_named_from_the_folder_that_is_read(folder: Path, db: Db, tmp_path: Path) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "a.yaml").write_text(OVERLAY.replace("tokens: 20", "{target: tenant, per: day, requests: 1}"))
    plans = set()
    out = tmp_path / "a.plan"
    for cwd, path in (
        (folder, "below"),
        (below, "."),
        (below, "../below"),
        (tmp_path, str(below)),
        (folder, "./below/"),
    ):
        own = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
        reconciler("plan", path, "--out", str(out), cwd=cwd, env=own).ok()
        plans.add(out.read_bytes())
    (plan,) = plans
    assert [one["source"]["file"] for one in json.loads(plan)["resource_changes"]] == ["a.yaml"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    shown = reconciler("plan", "below", "--format", "github", cwd=folder, env=own).ok().out
    assert "file=below/a.yaml," in shown  # from the repository's own folder


def test_a_comment_moves_the_digest_of_sources_only(project: Path, db: Db, tmp_path: Path) -> None:
    before = json.loads(planned(project, project, tmp_path / "a.plan", db.url))
    manifest = project / "base" / "acme.yaml"
    manifest.write_text("# a comment\n" + manifest.read_text())
    after = json.loads(planned(project, project, tmp_path / "b.plan", db.url))
    assert after["digest"] == before["digest"]
    assert after["sources_digest"] != before["sources_digest"]


def test_history_and_blame_name_files_of_the_project(project: Path, db: Db, tmp_path: Path) -> None:
    """The line of each field of a creation, in the base, an overlay and the defaults; a default is called one."""
    plan = tmp_path / "a.plan"
    planned(project, tmp_path, plan, db.url)
    own = {"RECONCILER_DATABASE_URL": db.url}
    reconciler("apply", str(plan), "--env", "prod", "--auto-approve", cwd=project, env=own).ok()
    (project / "base" / "acme.yaml").write_text("# later\n" + MANIFEST)
    shown = reconciler("blame", "acme/limit/month", "--env", "prod", "--format", "json", cwd=project, env=own).ok().json
    fields = {field["field"]: (field["source"], field["default"]) for field in shown["fields"]}
    assert fields == {
        "description": (None, True),
        "labels": (None, True),
        "protected": (None, True),
        "on_exceed": ("reconciler.yaml:7:23", False),
        "per": ("base/acme.yaml:6:10", False),
        "requests": ("base/acme.yaml:7:15", False),
        "target": ("base/acme.yaml:5:13", False),
        "tokens": ("prod/acme.yaml:5:13", False),
    }
    assert db.sql("SELECT source FROM applied")[0][0].startswith("base/acme.yaml:4")


def test_problems_are_named_from_the_working_directory(project: Path, db: Db) -> None:
    own = {"RECONCILER_DATABASE_URL": db.url}
    reconciler("apply", "--env", "prod", "--auto-approve", cwd=project, env=own).ok()
    db.sql("DELETE FROM applied")
    refused = reconciler("plan", "--env", "prod", cwd=project / "base", env=own).ok(6).err
    assert "acme.yaml:4" in refused
    assert "base/acme.yaml:4" not in refused


def test_annotations_count_from_the_top_of_the_repository(project: Path, db: Db, run: Run) -> None:
    (project.parent / ".git").mkdir()
    own = {"RECONCILER_DATABASE_URL": db.url}
    shown = reconciler("plan", "--env", "prod", "--format", "github", cwd=project / "base", env=own)
    assert f"file={project.name}/base/acme.yaml" in shown.out, shown
