"""Findings of lint in every format: each is what its readers know, and follows the severity."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.errors import Place, Problem
from reconciler.lint.find import SEVERITIES, Finding
from reconciler.render.findings import THRESHOLDS, counts, failing, findings_json, findings_text, summary_text
from reconciler.render.formats import PROBLEM_FORMATS
from reconciler.render.style import Style
from tests.render.hostile import TEXTS
from tests.render.test_junit import read as read_junit
from tests.render.test_sarif import read as read_sarif


def found(*severities: str, text: str = "so it is") -> list[Finding]:
    return [
        Finding(Problem(f"rule-{number}", text, "acme/limit/x", place=Place("a.yaml", number, 1), hint=text), severity)
        for number, severity in enumerate(severities, 1)
    ]


def document(findings: list[Finding], threshold: str = "error") -> dict[str, Any]:
    rules = {one.rule: {"message": one.problem.message, "help": "", "severity": one.severity} for one in findings}
    made = findings_json(findings, {**rules, "unused-rule": {"message": "", "help": "", "severity": "info"}})
    return {**made, "files": ["a.yaml", "b.yaml"], "command": "reconciler lint", "failing": [*failing(threshold)]}


def test_thresholds() -> None:
    assert [failing(one) for one in THRESHOLDS] == [("error",), ("error", "warning"), SEVERITIES, ()]


def test_text() -> None:
    text = "\n".join(findings_text(found(*SEVERITIES), Style(False)))
    assert [line for line in text.splitlines() if "so it is" in line and "next" not in line] == [
        "Error: so it is",
        "Warning: so it is",
        "Info: so it is",
    ]
    assert summary_text(found("info", "info", "warning")) == "3 findings: 1 warning, 2 info."
    assert summary_text(found("error")) == "1 finding: 1 error."
    assert summary_text([]) == "No findings."
    assert counts(found("info")) == {"error": 0, "warning": 0, "info": 1}


def test_github_shows_the_gravest_first() -> None:
    text = PROBLEM_FORMATS["github"](document(found("info", "warning", "error", "warning")))
    assert [line.split(",")[1] for line in text.splitlines()] == ["line=3", "line=2", "line=4", "line=1"]


def test_sarif_describes_the_rules_that_it_uses() -> None:
    run = read_sarif(PROBLEM_FORMATS["sarif"](document(found(*SEVERITIES))))
    assert [one["level"] for one in run["results"]] == ["error", "warning", "note"]
    rules = run["tool"]["driver"]["rules"]
    assert [(one["id"], one["defaultConfiguration"]["level"]) for one in rules] == [
        ("rule-1", "error"),
        ("rule-2", "warning"),
        ("rule-3", "note"),
    ]
    assert {one["fullDescription"]["text"] for one in rules} == {"so it is"}


@pytest.mark.parametrize(("threshold", "failures"), [("error", "1"), ("never", "0"), ("info", "1")])
def test_junit_agrees_with_the_exit_code(threshold: str, failures: str) -> None:
    top = read_junit(PROBLEM_FORMATS["junit"](document(found(*SEVERITIES), threshold)))
    assert top.get("failures") == failures
    assert "".join(top.itertext()).count("[rule-") == 3


def test_gitlab_names_severities() -> None:
    quality = json.loads(PROBLEM_FORMATS["gitlab"](document(found(*SEVERITIES))))
    assert [one["severity"] for one in quality] == ["major", "minor", "info"]


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_texts_stay_text(text: str) -> None:
    made = document(found("error", "warning", text=text))
    run = read_sarif(PROBLEM_FORMATS["sarif"](made))
    described = [one["fullDescription"]["text"] for one in run["tool"]["driver"]["rules"]]
    assert all(one.isprintable() and "[click](" not in one for one in described)
    read_junit(PROBLEM_FORMATS["junit"](made))
    assert [line[:2] for line in PROBLEM_FORMATS["github"](made).splitlines()] == ["::", "::"]
    assert "\x1b" not in "\n".join(findings_text(found("info", text=text), Style(False)))
