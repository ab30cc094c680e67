"""What lint says of the examples: nothing that a team would have to answer for, so that nobody learns to look away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT, reconciler


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_no_example_has_a_warning(name: str) -> None:
    ran = reconciler("lint", f"examples/{name}", "--fail-severity", "warning", "--format", "json", cwd=ROOT)
    assert [one for one in ran.json["findings"] if one["severity"] != "info"] == []
    ran.ok()


def test_nor_has_a_new_project(tmp_path: Path) -> None:
    reconciler("init", ".", cwd=tmp_path).ok()
    reconciler("lint", "--fail-severity", "warning", cwd=tmp_path).ok()
