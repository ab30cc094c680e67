"""The import contracts in pyproject.toml hold."""

from __future__ import annotations

import os

import pytest
from importlinter.cli import lint_imports

from tests.conftest import ROOT


def test_import_contracts_hold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports("pyproject.toml", no_cache=True) == os.EX_OK, capsys.readouterr().out
