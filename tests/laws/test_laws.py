"""Remove each guard from a copy of the program: the test of its law has to fail. One file of laws a room.

The suite takes out one guard in eight of each room, and looks whether all stand where they should; `python -m
tests.campaigns.laws` takes out every one, and so does `.ci/run`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from zlib import crc32

import pytest
import yaml

from tests.conftest import ROOT, SHARED_POSTGRES, command_environment
from tests.laws.runner import Runner
from tests.memory import memory

EVERY = "TEST_EVERY_LAW"
"""The variable of the environment that has all guards taken out."""
SHARE = 8
FILES = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted((ROOT / "tests" / "laws").glob("*.yaml"))}
LAWS: dict[str, dict[str, Any]] = {f"{room}-{name}": law for room, laws in FILES.items() for name, law in laws.items()}


def _share_of(room: str) -> list[str]:
    """Return the laws of a room that the suite proves: one in eight, by their names, and at least one; of the runtime all."""
    names = [name for name in LAWS if name.partition("-")[0] == room]
    if EVERY in os.environ or room == "runtime":
        return names
    return sorted(names, key=lambda name: crc32(name.encode()))[: -(-len(names) // SHARE)]


TAKEN = [name for room in FILES for name in _share_of(room)]


@pytest.fixture(scope="module")
def runner(postgres_server: str) -> Iterator[Runner]:
    environment = command_environment({SHARED_POSTGRES: postgres_server, "TEST_PATIENCE": "1"})
    one = Runner(ROOT, ("reconciler", "tests", "pyproject.toml"), environment, memory() or "/tmp")
    yield one
    one.close()


def test_every_law_of_the_runtime_has_one() -> None:
    assert {name.partition("-")[0] for name in FILES["runtime"]} == {str(number) for number in range(1, 9)}


def test_every_guard_stands_where_its_law_says() -> None:
    """Once in its file, and with a test: a guard that has moved is found without a run."""
    read = cache(lambda file: (ROOT / file).read_text())
    for name, law in LAWS.items():
        assert read(law["file"]).count(law["guard"]) == 1, f"{name}: the guard is written otherwise now"
        file, *within = law["test"].split("::")
        for one in within:
            assert re.search(rf"(def|class) {one.partition('[')[0]}\b", read(file)), f"{name}: its test is not there"


@pytest.mark.parametrize("name", TAKEN)
def test_without_its_guard_the_suite_is_red(name: str, runner: Runner) -> None:
    verdict = runner.without(LAWS[name])
    assert verdict.noticed, f"exit {verdict.returncode}\n{verdict.output[-4000:]}"
