"""The tables of formats beside text and JSON: each turns a document (a dict that is ready for JSON) into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reconciler.render.html.page import drift_html, plan_html
from reconciler.render.markdown import drift_markdown, plan_markdown

Render: TypeAlias = Callable[[dict[str, Any]], str]

PLAN_FORMATS: Mapping[str, Render] = {"markdown": plan_markdown, "html": plan_html}
"""From what ``plan.convert.to_document`` makes; ``--format`` of plan and show offers these names."""

DRIFT_FORMATS: Mapping[str, Render] = {"markdown": drift_markdown, "html": drift_html}
"""From what ``render.drift_text.drift_json`` makes, with the plan's document as ``pending`` where that was asked for."""
