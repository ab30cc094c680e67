"""The distribution is `config-reconciler`; another one called `reconciler` is reported before anything else runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.cli.installed import foreign_distribution, require_own
from reconciler.errors import ReconcilerError

ROOT = Path(__file__).parents[2]


FOREIGN = (
    "reconciler-0.2.1.dist-info",
    "reconciler-0.2.1-py3.11.egg-info",
    "reconciler-0.2.1-py3.11.egg",
    "reconciler.egg-info",
    "Reconciler-0.2.1.dist-info",
    "__editable__.reconciler-0.2.1.pth",
)


@pytest.mark.parametrize("name", FOREIGN)
def test_another_distribution_of_this_name_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ReconcilerError, match="another distribution called `reconciler`") as caught:
        require_own(tmp_path)
    assert "pip install config-reconciler" in caught.value.problems[0].hint


def test_our_own_metadata_is_no_other_distribution(tmp_path: Path) -> None:
    for name in (
        "config_reconciler-0.1.0.dist-info",
        "__editable__.config_reconciler-0.1.0.pth",
        "reconciler",
        "reconciler_tools-1.0.dist-info",
    ):
        (tmp_path / name).mkdir()
    assert foreign_distribution(tmp_path) is None
    assert foreign_distribution(tmp_path / "missing") is None


def test_nothing_says_to_install_the_other_distribution() -> None:
    wanted = re.compile(
        r"""pip3? install[^\n]*?[\s'"](reconciler)(?=[\s'"\[=<>~@`)]|$)|RECONCILER_PACKAGE: reconciler\b"""
    )
    folders = ("reconciler", "docs", "integrations", "examples", "schemas", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    texts = {path: path.read_text(errors="replace") for path in files}
    assert [str(path) for path, text in texts.items() if wanted.search(text)] == []
    assert 'name = "config-reconciler"' in texts[ROOT / "pyproject.toml"]
