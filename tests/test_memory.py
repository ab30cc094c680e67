"""Files of tests are made in memory where there is room, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import memory


@pytest.mark.parametrize(("changed", "found"), [({}, True), ({"f_flag": os.ST_NOEXEC}, False), ({"free": 1}, False)])
def test_it_is_large_and_may_hold_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], found: bool
) -> None:
    monkeypatch.setattr(memory, "_FOLDER", tmp_path)
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_flag=changed.get("f_flag", 0)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=changed.get("free", 1 << 40)))
    assert memory.memory.__wrapped__() == (str(tmp_path) if found else None)


def test_there_need_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_FOLDER", tmp_path / "none")
    assert memory.memory.__wrapped__() is None
