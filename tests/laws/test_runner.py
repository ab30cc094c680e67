"""What runs the laws is no better than its verdicts: each way to look noticed without being so is tried here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import command_environment
from tests.laws.runner import GuardMoved, Runner

PROGRAM = """
def double(number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    return number * 2
"""
TESTS = """
import pytest
import reconciler.double
from tests.helper import NUMBER

def test_notices() -> None:
    with pytest.raises(ValueError, match="negative"):
        reconciler.double.double(-1)

def test_looks_away() -> None:
    assert reconciler.double.double(NUMBER) == 4

def test_in_a_process() -> None:
    import subprocess, sys
    code = "import reconciler.double as d; d.double(-1)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 1

def test_hangs() -> None:
    import time
    if reconciler.double.double(1) != 2:
        time.sleep(60)

def test_leaves_one() -> None:
    import subprocess
    left = subprocess.Popen(["sleep", "300"], start_new_session=True)
    assert reconciler.double.double(-1) == f"left {left.pid}"

@pytest.fixture
def broken() -> None:
    raise RuntimeError("no such server")

def test_of_a_broken_fixture(broken: None) -> None:
    pass
"""
FILE = "reconciler/double.py"
GUARD = "    if number < 0:\n"
LAW = {"file": FILE, "guard": GUARD, "without": "    if False:\n", "test": "tests/test_double.py::test_notices"}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    root = tmp_path_factory.mktemp("program")
    for name, text in (
        ("reconciler/__init__.py", ""),
        (FILE, PROGRAM),
        ("tests/__init__.py", ""),
        ("tests/helper.py", "NUMBER = 2\n"),
        ("tests/test_double.py", TESTS),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\npythonpath = ["."]\n'),
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    one = Runner(root, ("reconciler", "tests", "pyproject.toml"), command_environment())
    yield one
    one.close()


def test_a_missing_guard_is_noticed(runner: Runner) -> None:
    verdict = runner.without(LAW)
    assert (verdict.returncode, verdict.noticed) == (1, True)
    assert "DID NOT RAISE" in verdict.output


def test_a_test_that_does_not_notice_is_no_verdict(runner: Runner) -> None:
    verdict = runner.without({**LAW, "test": "tests/test_double.py::test_looks_away"})
    assert (verdict.returncode, verdict.noticed) == (0, False)


@pytest.mark.parametrize(
    ("change", "returncode"),
    [
        ({"without": "    if (\n"}, 4),  # a patch that is no Python
        ({"without": "    if (\n", "test": "tests/test_double.py"}, 2),
        ({"without": "    import nowhere_to_be_found\n    if number < 0:\n", "test": "tests/test_double.py"}, 1),
        ({"file": "tests/helper.py", "guard": "NUMBER", "without": "NUMBERS"}, 4),  # an import that fails
        ({"test": "tests/test_double.py::test_of_nothing"}, 4),
        ({"chosen": "nothing"}, 5),
        ({"test": "tests/test_double.py::test_of_a_broken_fixture"}, 1),
    ],
)
def test_pytest_alone_says_what_failed(runner: Runner, change: dict[str, str], returncode: int) -> None:
    """The verdict is that of an interpreter started anew on the same tree."""
    law = {**LAW, **change}
    file = runner.tree / law["file"]
    text = file.read_text()
    verdict = runner.without(law)
    file.write_text(text.replace(law["guard"], law["without"]))
    try:
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", law["test"]]
        done = subprocess.run(
            [*command, *(["-k", law["chosen"]] if "chosen" in law else [])],
            cwd=runner.tree,
            env=command_environment({"PYTHONPATH": str(runner.tree), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        file.write_text(text)
    assert (verdict.returncode, verdict.noticed) == (done.returncode, done.returncode == 1 and " failed" in done.stdout)
    assert verdict.returncode == returncode


def test_a_broken_fixture_is_no_failure(runner: Runner) -> None:
    assert not runner.without({**LAW, "test": "tests/test_double.py::test_of_a_broken_fixture"}).noticed


def test_processes_run_the_patched_program(runner: Runner) -> None:
    assert runner.without({**LAW, "test": "tests/test_double.py::test_in_a_process"}).noticed
    assert not runner.without({**LAW, "without": GUARD, "test": "tests/test_double.py::test_in_a_process"}).noticed


def test_no_process_is_left_behind(runner: Runner) -> None:
    verdict = runner.without({**LAW, "test": "tests/test_double.py::test_leaves_one"})
    left = re.search(r"left (\d+)", verdict.output)
    assert verdict.noticed
    assert left is not None
    assert not Path("/proc", left[1]).exists()


@pytest.mark.parametrize("guard", ["    if number < 1:\n", "number"])
def test_a_guard_that_is_not_there_once_is_an_error(runner: Runner, guard: str) -> None:
    with pytest.raises(GuardMoved):
        runner.without({**LAW, "guard": guard})


def test_no_law_sees_the_patch_of_another(runner: Runner) -> None:
    """All patches of this file are of one size and made within a second, as Python's compiled files tell them apart."""
    before = (runner.tree / FILE).stat().st_mtime_ns
    for without, noticed in [("    if False     :\n", True), ("    if number < -0:\n", False)] * 3:
        assert runner.without({**LAW, "without": without}).noticed is noticed
        assert ((runner.tree / FILE).read_text(), (runner.tree / FILE).stat().st_mtime_ns) == (PROGRAM, before)


def test_a_test_that_hangs_is_ended(runner: Runner) -> None:
    law = {**LAW, "guard": "number * 2", "without": "number * 3", "test": "tests/test_double.py::test_hangs"}
    with pytest.raises(subprocess.TimeoutExpired):
        runner.without(law, timeout=2)
    assert runner.without(LAW).noticed


def test_children_share_no_chance(runner: Runner) -> None:
    """Forked processes begin with the same random numbers, unless they are told to make their own."""
    law = {
        **LAW,
        "file": "tests/helper.py",
        "guard": "NUMBER = 2",
        "without": "import random\nNUMBER = random.random()",
    }
    law["test"] = "tests/test_double.py::test_looks_away"
    drawn = [re.findall(r"(0\.[0-9]{9,})", runner.without(law).output) for _ in range(2)]
    assert all(drawn)
    assert drawn[0] != drawn[1]


def test_the_tree_is_a_copy(runner: Runner) -> None:
    assert not Path(__file__).is_relative_to(runner.tree)
    assert runner.tree.parent.name.startswith("laws-")
