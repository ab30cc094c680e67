"""The tables of formats beside text and JSON: each turns a document (a dict that is ready for JSON) into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reconciler.render.github import plan_github, problems_github
from reconciler.render.gitlab import plan_gitlab, problems_gitlab
from reconciler.render.html.page import drift_html, plan_html
from reconciler.render.junit import problems_junit
from reconciler.render.markdown import drift_markdown, plan_markdown
from reconciler.render.sarif import problems_sarif

Render: TypeAlias = Callable[[dict[str, Any]], str]

PLAN_FORMATS: Mapping[str, Render] = {
    "markdown": plan_markdown,
    "html": plan_html,
    "github": plan_github,
    "gitlab": plan_gitlab,
}
"""From what ``plan.convert.to_document`` makes; ``--format`` of plan and show offers these names."""

DRIFT_FORMATS: Mapping[str, Render] = {"markdown": drift_markdown, "html": drift_html}
"""From what ``render.drift_text.drift_json`` makes, with the plan's document as ``pending`` where that was asked for."""

PROBLEM_FORMATS: Mapping[str, Render] = {
    "github": problems_github,
    "gitlab": problems_gitlab,
    "sarif": problems_sarif,
    "junit": problems_junit,
}
"""From what ``render.problems.errors_json`` makes, with the names of all ``files``; validate and lint offer these names.

Errors of lint have a ``severity``; beside them stand ``rules`` by name, the ``command``, and the ``failing`` severities."""
