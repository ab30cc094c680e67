"""A kind costs one file and one line: a toy kind in a copy of the program works everywhere (docs/architecture.md)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, command_environment


def test_a_kind_is_one_file_and_one_line(tmp_path: Path) -> None:
    for part in ("reconciler", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "tests" / "kinds" / "toy.py", tmp_path / "reconciler" / "kinds" / "sensor.py")
    table = tmp_path / "reconciler" / "kinds" / "table.py"
    last = '    "plane": _Line("planes", 1),\n'
    assert table.read_text().count(last) == 1
    table.write_text(table.read_text().replace(last, last + '    "sensor": _Line("sensors", 1),\n'))
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "tests/kinds/toy_kind.py"]
    done = subprocess.run(
        [*command, "-k", "not postgresql"],
        cwd=tmp_path,
        env=command_environment({"PYTHONPATH": str(tmp_path), "RECONCILER_CACHE_DIR": str(tmp_path / "cache")}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
