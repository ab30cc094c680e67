"""The comment of a plan that failed."""

from __future__ import annotations

from typing import Any

from reconciler.errors import Place, Problem
from reconciler.render.markdown import failure_markdown
from reconciler.render.problems import errors_json

HOSTILE = "x`](https://evil.example) <img src=x> @ada\n```\n# heading"


def document(count: int) -> dict[str, Any]:
    problems = [
        Problem("wrong-type", f"{number} {HOSTILE}", place=Place("a.yaml", 1, 2), excerpt=HOSTILE)
        for number in range(count)
    ]
    return {**errors_json(problems), "project": None, "environment": None, "exit_code": 3, "subject": "Plan"}


def test_text_of_a_configuration_stays_text() -> None:
    text = failure_markdown(document(1))
    outside = [line for line in text.splitlines() if line.startswith(("#", "`"))]
    assert outside == ["### Plan for `(unknown)`: the configuration is invalid"]
    assert [line for line in text.splitlines() if "evil" in line and "``" not in line] == []


def test_many_problems_fit_a_comment() -> None:
    text = failure_markdown(document(5000))
    assert len(text) < 65_000
    assert "5000 problems" in text
    assert text.splitlines()[-1].startswith("- … and ")
