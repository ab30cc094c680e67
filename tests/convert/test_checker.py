"""Nothing differs from the original that the report doesn't name, over generated documents and, where they are, real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.convert.table import FORMATS
from reconciler.errors import ConfigurationInvalid
from tests.convert.checker import CHECKERS, Difference, differences, in_maps, registry_differences
from tests.convert.generated import GENERATORS, SECRET, documents
from tests.convert.one import Made, made
from tests.convert.table import foreign, real_files

COUNT = 200


def written(values: list[Any]) -> str:
    return "".join(f"---\n{json.dumps(one)}\n" for one in values) if len(values) > 1 else json.dumps(values[0])


def unnamed(found: Made, difference: Difference) -> bool:
    """Whether no finding of the report that leaves something out stands at the place of a difference, or inside of it."""
    for finding in found.converted.ledger.findings:
        path = tuple(finding.path[1:])
        length = min(len(path), len(difference.path))
        if finding.what in {"left", "restriction", "reference"} and path[:length] == difference.path[:length]:
            return False
    return True


def test_every_format_has_a_checker_and_a_generator() -> None:
    assert {*FORMATS} == {*CHECKERS} == {*GENERATORS}


@pytest.mark.parametrize("format", FORMATS)
def test_generated_documents_differ_in_nothing_that_is_not_said(format: str, tmp_path: Path) -> None:
    converted = refused = 0
    for seed in range(COUNT):
        values = documents(format, seed)
        try:
            found = made(format, written(values), tmp_path, "in.yaml" if len(values) > 1 else "in.json")
        except ConfigurationInvalid as error:
            refused += any(problem.code != "nothing-converted" for problem in error.problems)
            continue
        converted += 1
        assert SECRET not in str(found.bodies) + found.report, seed
        for one in differences(format, values, found.bodies):
            assert one.what != "missing" or unnamed(found, one) is False, (seed, one, found.report)
            is_wider = one.what not in {"missing", "an argument", "a parameter is missing"}
            assert not is_wider, (seed, one, values, found.bodies)
            assert not unnamed(found, one), (seed, one, found.report)
    assert (converted > COUNT * 0.7, refused) == (True, 0)


@pytest.mark.parametrize(
    ("format", "value", "bodies"),
    [
        (
            "mcp",
            {"mcpServers": {"a": {"url": "https://a.example/mcp?x=1"}}},
            {"connector/a": {"url": "https://a.example/mcp"}},
        ),
        ("mcp", {"mcpServers": {"a": {"command": "x", "disabled": True}}}, {"connector/a": {"command": "x"}}),
        (
            "toolbox",
            {
                "sources": {},
                "tools": {
                    "t": {
                        "statement": "SELECT $1",
                        "parameters": [{"name": "x", "type": "string", "excludedValues": ["internal"]}],
                    }
                },
            },
            {"template/t": {"sql": "SELECT :x", "parameters": {"x": {"type": "string"}}}},
        ),
        (
            "litellm",
            {"model_list": [{"litellm_params": {"model": "openai/m", "region_name": "eu"}}]},
            {"integration/m": {"models": ["m"]}},
        ),
    ],
)
def test_the_checker_finds_what_is_wider(format: str, value: Any, bodies: Any) -> None:
    assert differences(format, [value], bodies)


@pytest.mark.skipif(
    foreign() is None, reason="the real files of other projects are not here: RECONCILER_FOREIGN names their folder"
)
def test_real_files_differ_in_nothing_that_is_not_said() -> None:
    folder = foreign()
    assert folder is not None
    for format, path in real_files(folder):
        values = [one for one in yaml.safe_load_all(path.read_text()) if one is not None]
        found = _converted(format, path)
        if format == "mcp":
            different = [*registry_differences(values[0], found.bodies)]
        elif format == "toolbox":
            different = differences(format, [in_maps(values)], found.bodies)
            indexes = {("tools", one.get("name")): index for index, one in enumerate(values) if isinstance(one, dict)}
            said = {finding.path[0] for finding in found.converted.ledger.findings if finding.what != "note"}
            different = [one for one in different if indexes.get(one.path) not in said]
        else:
            different = differences(format, values, found.bodies)
        for one in different:
            assert not unnamed(found, one), (path.name, one)


def _converted(format: str, path: Path) -> Made:
    from reconciler.convert.table import convert
    from reconciler.render.manifest import authored

    (one,) = convert(format, (str(path),), "acme")
    return Made({f"{a.kind}/{a.name}": authored(spec) for a, spec in one.specs.items()}, one)
