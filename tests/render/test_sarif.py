"""SARIF is checked twice: by a closed schema of the part that we use, and by a reader that others wrote.

The official schema comes with no package that could be had, and tests reach no network. `sarif.schema.json` was written
from the published standard; it is stricter than the official one, since it knows nothing that we don't write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace
from sarif_pydantic import Sarif

from reconciler.errors import Place, Problem
from reconciler.render.sarif import problems_sarif
from tests.render.hostile import TEXTS, document, hostile

SCHEMA = json.loads(Path(__file__).with_name("sarif.schema.json").read_text())


def read(text: str) -> dict[str, Any]:
    """The only run, of a valid log."""
    log = json.loads(text)
    jsonschema.Draft7Validator(SCHEMA).validate(log)
    Sarif.model_validate(log)
    run: dict[str, Any] = log["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


PROBLEM = Problem("dangling-reference", "no such thing", "acme/limit/x", place=Place("m/a b.yaml", 3, 5))


def test_the_schema_refuses_what_is_wrong() -> None:
    log = json.loads(problems_sarif(document(PROBLEM)))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    with pytest.raises(jsonschema.ValidationError):
        read(json.dumps(log))


def test_a_result_has_its_rule_region_and_relative_uri() -> None:
    problem = replace(PROBLEM, related=(("declared first", Place("m/b.yaml", 1, 1)),))
    run = read(problems_sarif(document(problem)))
    (result,) = run["results"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["help"]["text"].startswith("Declare what is referred to")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "m/a%20b.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    assert result["relatedLocations"][0]["message"] == {"text": "declared first"}
    assert result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "m/b.yaml"


def test_fingerprints_survive_moved_lines() -> None:
    def mark(problem: Problem) -> Any:
        return read(problems_sarif(document(problem)))["results"][0]["partialFingerprints"]

    assert mark(PROBLEM) == mark(replace(PROBLEM, place=Place("m/a b.yaml", 9, 1)))
    assert mark(PROBLEM) != mark(replace(PROBLEM, message="other"))


def test_a_valid_configuration_gives_a_log_without_results() -> None:
    assert read(problems_sarif(document(files=("a.yaml",))))["results"] == []


def test_hostile_problems_stay_text() -> None:
    run = read(problems_sarif(hostile()))
    assert len(run["results"]) == len(TEXTS) + 1
    texts = [result["message"]["text"] for result in run["results"]]
    assert all(text.isprintable() for text in texts)
    assert not any("[click](" in text for text in texts)
    assert "locations" in run["results"][-1]


def test_a_file_outside_the_repository_has_an_absolute_uri() -> None:
    run = read(problems_sarif(document(replace(PROBLEM, place=Place("/srv/a.yaml", 1, 1)))))
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///srv/a.yaml"}
