"""The part of a plan's page that says what callers may do after it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.render.effects import TITLE, left_out, sentences
from reconciler.render.html.text import shown
from reconciler.render.plan_json import PlanJson

_SUBJECTS, _TARGETS = 500, 20


def access_html(document: PlanJson) -> Iterator[str]:
    """Return the lines; none where nobody gains or loses anything."""
    if document.get("access_effects"):
        yield f'<aside class="notes" id="access"><h2>{TITLE}</h2><ul>'
        yield from (f"<li>{sentence.text(_code)}</li>" for sentence in sentences(document, _SUBJECTS, _TARGETS))
        if rest := left_out(document, _SUBJECTS):
            yield f"<li>{rest}</li>"
        yield "</ul></aside>"


def _code(text: str) -> str:
    return f"<code>{shown(text)}</code>"
