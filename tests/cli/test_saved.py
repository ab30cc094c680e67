"""`apply PLANFILE` takes project and environment from the file; the command that `plan --out` prints applies the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.saved import printed
from tests.conftest import BASE, reconciler

SETTINGS = """
version: 1
project: shop
include: [acme.yaml]
environments:
  dev: {database: "sqlite:///dev.db"}
  prod: {database: "sqlite:///prod.db"}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with two environments, each with a database of its own."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text(SETTINGS)
    (folder / "acme.yaml").write_text(BASE)
    return folder


@pytest.mark.parametrize(
    ("here", "arguments"),
    [
        (".", ["plan", "--env", "prod"]),
        ("..", ["plan", "shop", "--env", "prod"]),
        ("..", ["plan", "--project", "shop", "--env", "prod"]),
        ("manifests", ["plan", "--env", "prod"]),
        (".", ["plan", "--env", "prod", "--database", "sqlite:///given.db"]),
    ],
)
def test_the_printed_command_applies_the_plan(shop: Path, here: str, arguments: list[str]) -> None:
    (shop / "manifests").mkdir()
    cwd = (shop / here).resolve()
    applied = reconciler(
        *printed(reconciler(*arguments, "--out", "a plan", cwd=cwd).ok().out), "--auto-approve", cwd=cwd
    ).ok()
    assert "Apply complete! Resources: 3 added" in applied.out
    wanted = shop / ("given.db" if "--database" in arguments else "prod.db")
    assert wanted.exists()
    assert [*shop.rglob("*.db")] == [wanted]


def test_a_folder_without_a_project_file(shop: Path) -> None:
    (shop / "reconciler.yaml").unlink()
    above = shop.parent
    reconciler(
        *printed(reconciler("plan", "shop", "--out", "shop.plan", cwd=above).ok().out), "--auto-approve", cwd=above
    ).ok()
    assert (shop / ".reconciler/state.db").exists()
    assert not (above / ".reconciler").exists()


def test_a_database_with_a_password_is_not_printed(shop: Path) -> None:
    from reconciler.cli.saved import apply_command
    from reconciler.cli.workspace import Options, Workspace

    url = "postgresql://ada:hunter2@db/live"
    workspace = Workspace(Options(database=url, project=str(shop), env="prod"), ())
    command = apply_command(workspace, workspace.database("prod"), Path("prod.plan"))
    assert command == f"reconciler apply prod.plan --project {shop} --database URL"


def test_another_environment_is_refused(shop: Path) -> None:
    reconciler("plan", "--env", "prod", "--out", "prod.plan", cwd=shop).ok()
    refused = reconciler("apply", "prod.plan", "--auto-approve", "--env", "dev", cwd=shop).ok(6)
    assert "the plan is for the environment 'prod', and 'dev' was named" in refused.err
    reconciler("apply", "prod.plan", "--auto-approve", "--env", "prod", cwd=shop).ok()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("prod: {", "stage: {", "wrong-environment"), ("project: shop", "project: other", "wrong-project")],
)
def test_a_plan_of_another_project_or_environment_is_refused(shop: Path, old: str, new: str, code: str) -> None:
    reconciler("plan", "--env", "prod", "--out", "prod.plan", cwd=shop).ok()
    (shop / "reconciler.yaml").write_text(SETTINGS.replace(old, new))
    assert f"[{code}]" in reconciler("apply", "prod.plan", "--auto-approve", cwd=shop).ok(6).err
    assert not [*shop.glob("*.db")]


def test_a_plan_without_environment_is_for_no_project_that_has_some(shop: Path) -> None:
    (shop / "reconciler.yaml").write_text("version: 1\nproject: shop\ninclude: [acme.yaml]\n")
    reconciler("plan", "--out", "any.plan", cwd=shop).ok()
    (shop / "reconciler.yaml").write_text(SETTINGS)
    refused = reconciler("apply", "any.plan", "--auto-approve", cwd=shop).ok(6)
    assert "the plan is for no environment, and the project has dev, prod" in refused.err
