"""A refused or invalid plan still makes a comment: `--format markdown` and the summary of a step on GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import BASE, reconciler

SETTINGS = "version: 1\nproject: shop\ninclude: [acme.yaml]\nenvironments: {dev: {}, prod: {}}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with environments."""
    (tmp_path / "reconciler.yaml").write_text(SETTINGS)
    (tmp_path / "acme.yaml").write_text(BASE)
    return tmp_path


def test_an_invalid_configuration(shop: Path) -> None:
    (shop / "acme.yaml").write_text(BASE.replace("cost_usd: 100", "cost: 100\n  <b>: `@ada`"))
    ran = reconciler("plan", "--env", "prod", "--format", "markdown", cwd=shop).ok(3)
    lines = ran.out.splitlines()
    assert lines[0] == "<!-- reconciler plan shop prod -->"
    assert lines[2] == "### Plan for `shop` in `prod`: the configuration is invalid"
    assert "problem" in lines[4]
    assert "- `acme.yaml:" in ran.out
    assert "<b>" not in ran.out.replace("`<b>`", "")
    assert ran.err.startswith("Error: ")


def test_a_refused_plan(shop: Path) -> None:
    reconciler("apply", "--auto-approve", "--env", "dev", "--database", "sqlite:///one.db", cwd=shop).ok()
    arguments = ("plan", "--env", "prod", "--database", "sqlite:///one.db")
    ran = reconciler(*arguments, "--format", "markdown", cwd=shop).ok(6)
    assert "### Plan for `shop` in `prod`: refused" in ran.out
    assert "(wrong-environment)" in ran.out

    summary = shop / "summary"
    annotated = reconciler(*arguments, "--format", "github", cwd=shop, env={"GITHUB_STEP_SUMMARY": str(summary)}).ok(6)
    assert annotated.out.startswith("::error title=wrong-environment::")
    assert summary.read_text() == ran.out + "\n"


@pytest.mark.parametrize("settings", ["version: 1\nproject: [", "version: 1\nnonsense: true\n"])
def test_an_invalid_project_file(shop: Path, settings: str) -> None:
    (shop / "reconciler.yaml").write_text(settings)
    ran = reconciler("plan", "--env", "prod", "--format", "markdown", cwd=shop).ok(3)
    assert "### Plan for `(unknown)` in `prod`: the configuration is invalid" in ran.out
    assert "- `reconciler.yaml:" in ran.out


def test_drift_that_can_not_be_found(shop: Path) -> None:
    ran = reconciler("drift", "--env", "prod", "--format", "markdown", cwd=shop).ok(1)
    assert "### Drift for `shop` in `prod`: failed" in ran.out
