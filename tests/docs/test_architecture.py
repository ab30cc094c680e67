"""The table of rooms in docs/architecture.md says what import-linter holds, and which libraries each room imports."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import NamedTuple

import grimp
import pytest

from tests.conftest import ROOT

EVERYWHERE = {"msgspec", "orjson"}
PARTS = {"pydantic_core": "pydantic"}
"""Packages that come with another one, under its name."""


class Room(NamedTuple):
    level: int
    name: str
    libraries: frozenset[str]


def rooms() -> list[Room]:
    """Read the table."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = re.findall(r"^\| (\d+) \| `(\w+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return [Room(int(level), name, frozenset(re.findall(r"\w+", libraries))) for level, name, libraries in lines]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("reconciler", include_external_packages=True, cache_dir=None)


def test_levels_are_the_layers_that_are_held() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = settings["contracts"][0]["layers"]
    held = {
        name.strip().removeprefix("reconciler."): level
        for level, layer in enumerate(layers, 1)
        for name in layer.split("|")
    }
    assert {one.name: one.level for one in rooms()} == held


def test_every_room_is_in_the_table() -> None:
    package = ROOT / "reconciler"
    found = {one.stem for one in package.iterdir() if one.suffix == ".py" or (one / "__init__.py").exists()}
    assert {one.name for one in rooms()} == found - {"__init__", "__main__"}


def test_libraries_are_those_that_a_room_imports(graph: grimp.ImportGraph) -> None:
    found: dict[str, set[str]] = {one.name: set() for one in rooms()}
    for module in graph.modules:
        room = module.partition(".")[2].partition(".")[0]
        if room in found and module.startswith("reconciler."):
            imported = graph.find_modules_directly_imported_by(module)
            outside = {one for one in imported if not one.startswith("reconciler")} - {*sys.stdlib_module_names}
            found[room] |= {PARTS.get(one, one) for one in outside} - EVERYWHERE
    assert found == {one.name: {*one.libraries} for one in rooms()}


def test_each_library_has_a_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    held = {
        module
        for one in contracts
        if one.get("source_modules") == ["reconciler"]
        for module in one["forbidden_modules"]
    }
    libraries = {library for room in rooms() for library in room.libraries}
    assert libraries - held == {"pydantic"}  # the form of everything that people write
