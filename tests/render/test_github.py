"""Annotations are read back as GitHub's runner reads them: one command a line, and no command but ours."""

from __future__ import annotations

import re
from typing import Any

from reconciler.errors import Place, Problem
from reconciler.render import github
from reconciler.render.github import outputs, problems_github
from tests.render.hostile import EMPTY, TEXTS, document, hostile, plan

_COMMAND = re.compile(r"^::(?P<name>[a-z-]+)(?: (?P<properties>.*?))?::(?P<data>.*)$")


def plan_github(document: dict[str, Any]) -> str:
    """The pieces together."""
    return "".join(github.plan_github(document))


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The workflow commands of an output, unescaped. Any sort of line end is taken for one, so that none slips by."""
    found = []
    for line in text.splitlines():
        if not (match := _COMMAND.match(line.strip())):
            assert "##[" not in line
            continue
        properties = dict(pair.split("=", 1) for pair in (match["properties"] or "").split(",") if pair)
        for key, value in properties.items():
            properties[key] = value.replace("%2C", ",").replace("%3A", ":").replace("%25", "%")
        found.append((match["name"], properties, match["data"].replace("%25", "%")))
    return found


def test_a_problem_stands_at_its_line() -> None:
    problem = Problem("unknown-field", "no: 100%, really", place=Place("a,b:c.yaml", 3, 5), hint="ask")
    text = problems_github(document(problem))
    assert text == "::error file=a%2Cb%3Ac.yaml,line=3,col=5,title=unknown-field::no: 100%25, really; next: ask"
    assert commands(text) == [
        (
            "error",
            {"file": "a,b:c.yaml", "line": "3", "col": "5", "title": "unknown-field"},
            "no: 100%, really; next: ask",
        )
    ]


def test_nothing_to_say_is_nothing() -> None:
    assert problems_github(document()) == ""
    assert plan_github(EMPTY) == "No changes. Your infrastructure matches the configuration."


def test_hostile_problems_make_one_error_each_and_no_other_command() -> None:
    text = problems_github(hostile())
    assert text.isascii() or all(c.isprintable() or c == "\n" for c in text)
    found = commands(text)
    assert [name for name, _, _ in found] == ["error"] * (len(TEXTS) + 1)
    assert all(set(properties) <= {"file", "line", "col", "title"} for _, properties, _ in found)
    assert len(text.splitlines()) == len(found)


def test_a_plans_most_serious_changes_come_first() -> None:
    found = commands(plan_github(plan()))
    assert [(name, properties["title"]) for name, properties, _ in found] == [
        ("error", "protected"),
        ("warning", "plan: replace"),
        ("warning", "plan: delete"),
        ("notice", "plan: create"),
        ("notice", "plan: update"),
        ("notice", "plan: move"),
    ]
    assert all(p["file"] == "m/a.yaml" and p["line"] == "4" for _, p, _ in found)
    assert found[4][2] == (
        "acme/limit/other will be updated in-place; fields: x; changed outside by eve at 2026-01-01T00:00:00Z"
    )
    assert plan_github(plan()).endswith("\nPlan: 2 to add, 1 to change, 2 to destroy. Also: 1 to move.")


def test_a_hostile_plan_makes_no_other_command() -> None:
    text = plan_github(plan(*TEXTS))
    assert [name for name, _, _ in commands(text)] == ["error", *["warning"] * 2, *["notice"] * 3]
    assert len(text.splitlines()) == 7


def test_outputs_are_heredocs() -> None:
    lines = outputs(plan(), "end").splitlines()
    assert lines[0::3] == ["has_changes<<end", "add<<end", "change<<end", "destroy<<end"]
    assert lines[1::3] == ["true", "2", "1", "2"]
    assert lines[2::3] == ["end"] * 4
    assert outputs(EMPTY, "end").splitlines()[1] == "false"
