"""The tables of formats beside text and JSON: each turns a document (values as JSON has them) into text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from reconciler.batches import Map

Render: TypeAlias = Callable[[dict[str, Any]], str]


class Pieces(Protocol):
    """Yields a text in pieces; ``mapper`` may share the work of one of many."""

    def __call__(self, document: dict[str, Any], mapper: Map = map) -> Iterator[str]: ...


def _by(module: str, function: str) -> Callable[[dict[str, Any]], Any]:
    """Return a renderer that is imported when it is used: a command offers many formats and prints one."""

    def render(document: dict[str, Any]) -> Any:
        return getattr(import_module(f"reconciler.render.{module}"), function)(document)

    return render


def _whole(module: str, function: str) -> Pieces:
    """Return a renderer of a short text, which is one piece."""

    def render(document: dict[str, Any], mapper: Map = map) -> Iterator[str]:
        yield _by(module, function)(document)

    return render


def _pieces(module: str, function: str) -> Pieces:
    """Return a renderer that yields its text in pieces, each of which costs little."""

    def render(document: dict[str, Any], mapper: Map = map) -> Iterator[str]:
        yield from _by(module, function)(document)

    return render


def _page(function: str) -> Pieces:
    """Return a renderer of a page, whose rows cost much."""

    def render(document: dict[str, Any], mapper: Map = map) -> Iterator[str]:
        yield from getattr(import_module("reconciler.render.html.page"), function)(document, mapper)

    return render


PLAN_FORMATS: Mapping[str, Pieces] = {
    "markdown": _whole("markdown", "plan_markdown"),
    "html": _page("plan_html"),
    "github": _pieces("github", "plan_github"),
    "gitlab": _whole("gitlab", "plan_gitlab"),
}
"""From what ``plan.lazy.document_of`` makes; ``--format`` of plan and show offers these names.

A plan may have a million changes: a renderer goes through them and keeps what it needs of them, never all of what they say."""

DRIFT_FORMATS: Mapping[str, Pieces] = {
    "markdown": _whole("markdown", "drift_markdown"),
    "html": _page("drift_html"),
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
