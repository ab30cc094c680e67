"""The tables of formats beside text and JSON: each turns a document (a dict that is ready for JSON) into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

Render: TypeAlias = Callable[[dict[str, Any]], str]


def _by(module: str, function: str) -> Render:
    """A renderer that is imported when it is used: a command offers many formats and prints one."""

    def render(document: dict[str, Any]) -> str:
        found: Render = getattr(import_module(f"reconciler.render.{module}"), function)
        return found(document)

    return render


PLAN_FORMATS: Mapping[str, Render] = {
    "markdown": _by("markdown", "plan_markdown"),
    "html": _by("html.page", "plan_html"),
    "github": _by("github", "plan_github"),
    "gitlab": _by("gitlab", "plan_gitlab"),
}
"""From what ``plan.convert.to_document`` makes; ``--format`` of plan and show offers these names."""

DRIFT_FORMATS: Mapping[str, Render] = {
    "markdown": _by("markdown", "drift_markdown"),
    "html": _by("html.page", "drift_html"),
}
"""From what ``render.drift_text.drift_json`` makes, with the plan's document as ``pending`` where that was asked for."""

PROBLEM_FORMATS: Mapping[str, Render] = {
    "github": _by("github", "problems_github"),
    "gitlab": _by("gitlab", "problems_gitlab"),
    "sarif": _by("sarif", "problems_sarif"),
    "junit": _by("junit", "problems_junit"),
}
"""From what ``render.problems.errors_json`` makes, with the names of all ``files``; validate and lint offer these names.

Errors of lint have a ``severity``; beside them stand ``rules`` by name, the ``command``, and the ``failing`` severities."""
