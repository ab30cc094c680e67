"""Remove each guard from a copy of the program: the test of its law has to fail. One file of laws a room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, SHARED_POSTGRES, command_environment
from tests.laws.runner import Runner
from tests.memory import memory

FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((ROOT / "tests" / "laws").glob("*.yaml"))}
LAWS: dict[str, dict[str, Any]] = {f"{room}-{name}": law for room, laws in FILES.items() for name, law in laws.items()}


@pytest.fixture(scope="module")
def runner(postgres_server: str) -> Iterator[Runner]:
    environment = command_environment({SHARED_POSTGRES: postgres_server, "TEST_PATIENCE": "1"})
    one = Runner(ROOT, ("reconciler", "tests", "pyproject.toml"), environment, memory() or "/tmp")
    yield one
    one.close()


def test_every_law_of_the_runtime_has_one() -> None:
    assert {name.partition("-")[0] for name in FILES["runtime"]} == {str(number) for number in range(1, 9)}


@pytest.mark.parametrize("name", LAWS)
def test_without_its_guard_the_suite_is_red(name: str, runner: Runner) -> None:
    verdict = runner.without(LAWS[name])
    assert verdict.noticed, f"exit {verdict.returncode}\n{verdict.output[-4000:]}"
