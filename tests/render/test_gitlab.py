"""GitLab's reports have the fields that its documentation asks for, and fingerprints that stay."""

from __future__ import annotations

import json

from msgspec.structs import replace

from reconciler.errors import Place, Problem
from reconciler.render.gitlab import plan_gitlab, problems_gitlab
from tests.render.hostile import EMPTY, TEXTS, document, hostile, plan

PROBLEM = Problem("unknown-field", "no such field", "acme/limit/x", ("a",), Place("m/a.yaml", 3, 5))


def test_the_documented_fields_and_no_others() -> None:
    (finding,) = json.loads(problems_gitlab(document(PROBLEM)))
    assert len(finding.pop("fingerprint")) == 64
    assert finding == {
        "description": "acme/limit/x: no such field",
        "check_name": "unknown-field",
        "severity": "major",
        "location": {"path": "m/a.yaml", "lines": {"begin": 3}},
    }


def test_nothing_wrong_is_an_empty_list() -> None:
    assert json.loads(problems_gitlab(document())) == []


def test_fingerprints_survive_moved_lines_and_tell_problems_apart() -> None:
    def marks(*problems: Problem) -> list[str]:
        return [one["fingerprint"] for one in json.loads(problems_gitlab(document(*problems)))]

    moved = replace(PROBLEM, place=Place("m/a.yaml", 33, 7))
    others = [
        replace(PROBLEM, code="other"),
        replace(PROBLEM, message="other"),
        replace(PROBLEM, path=("b",)),
        replace(PROBLEM, place=Place("m/b.yaml", 3, 5)),
        PROBLEM,
    ]
    assert marks(PROBLEM) == marks(moved)
    assert len(set(marks(PROBLEM, *others))) == 6


def test_hostile_problems_stay_data() -> None:
    findings = json.loads(problems_gitlab(hostile()))
    assert len(findings) == len(TEXTS) + 1
    for finding in findings:
        assert finding["description"].isprintable()
        assert finding["location"]["path"].isprintable()
        assert finding["location"]["lines"]["begin"] >= 1
    assert findings[-1]["location"] == {"path": ".", "lines": {"begin": 1}}


def test_a_plan_is_three_counts() -> None:
    assert json.loads(plan_gitlab(plan(*TEXTS))) == {"create": 2, "update": 1, "delete": 2}
    assert json.loads(plan_gitlab(EMPTY)) == {"create": 0, "update": 0, "delete": 0}
