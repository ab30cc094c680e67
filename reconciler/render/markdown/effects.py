"""The section of a review comment that says what callers may do after a plan."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.render.effects import SUBJECTS, TARGETS, TITLE, left_out, sentences
from reconciler.render.markdown.marks import code
from reconciler.render.plan_json import PlanJson


def access_markdown(document: PlanJson) -> Iterator[str]:
    """Return the lines; none where nobody gains or loses anything."""
    if document.get("access_effects"):
        yield f"**{TITLE}**"
        yield ""
        yield from (f"- {sentence.text(code)}" for sentence in sentences(document, SUBJECTS, TARGETS))
        if rest := left_out(document, SUBJECTS):
            yield f"- … {rest}"
        yield ""
