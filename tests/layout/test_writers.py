"""What the commands and the examples write is canonical already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT, reconciler

MANIFESTS = sorted((ROOT / "tests/convert/expected").glob("*.manifest"))


def test_the_examples() -> None:
    assert reconciler("fmt", "--check", "--diff", "examples", cwd=ROOT).ok().text == ""


def test_the_files_that_init_writes(tmp_path: Path) -> None:
    reconciler("init", "shop", cwd=tmp_path).ok()
    assert reconciler("fmt", "--check", "--diff", "shop", cwd=tmp_path).ok().text == ""


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_what_convert_writes(path: Path, tmp_path: Path) -> None:
    assert reconciler("fmt", "-", "--check", "--diff", cwd=tmp_path, stdin=path.read_text()).ok().text == ""


def test_there_are_manifests_of_every_format() -> None:
    assert len(MANIFESTS) >= 4


def test_what_export_writes(tmp_path: Path) -> None:
    platform = ROOT / "examples/platform"
    url = ("--database", f"sqlite:///{tmp_path}/state.db", "--project", str(platform), "--env", "dev")
    reconciler("apply", *url, "--auto-approve", "--quiet", "--allow-diverged", cwd=tmp_path).ok()
    exported = reconciler("export", *url, cwd=tmp_path).ok().out
    assert exported.count("\n---\n") > 1
    assert reconciler("fmt", "-", "--check", "--diff", cwd=tmp_path, stdin=exported).ok().text == ""
