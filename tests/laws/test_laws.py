"""Remove each guard from a copy of the program: the test of its law has to fail. One file of laws a room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, command_environment

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((ROOT / "tests" / "laws").glob("*.yaml"))}
LAWS: dict[str, dict[str, Any]] = {f"{room}-{name}": law for room, laws in FILES.items() for name, law in laws.items()}


def test_every_law_of_the_runtime_has_one() -> None:
    assert {name.partition("-")[0] for name in FILES["runtime"]} == {str(number) for number in range(1, 9)}


@pytest.mark.parametrize("name", LAWS)
def test_without_its_guard_the_suite_is_red(name: str, tmp_path: Path) -> None:
    law = LAWS[name]
    for part in ("reconciler", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part)  # with what is compiled: it is valid for all files but one
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / law["file"]
    text = file.read_text()
    assert text.count(law["guard"]) == 1, "the guard is no longer written like this"
    file.write_text(text.replace(law["guard"], law["without"]))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", law["test"]]
    command += ["-k", law["chosen"]] if "chosen" in law else []
    done = subprocess.run(
        command,
        cwd=tmp_path,
        # no law needs a plugin, and loading them takes longer than most of these tests
        env=command_environment({"PYTHONPATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-1000:]
    assert " failed" in done.stdout
