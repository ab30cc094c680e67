"""Refuse plans that another version of this program made: they are stale, not tampered with."""

from __future__ import annotations

from typing import Any

from reconciler.errors import PlanStale
from reconciler.plan.document import FORMAT_VERSION

_OUTLINES = {"format_version": str, "tool_version": str, "project": str, "resource_changes": list, "digest": str}
"""Fields of every format so far, and their types."""
_HINT = "make the plan again with this version: `reconciler plan --out FILE`"


def of_another_format(document: Any) -> PlanStale | None:
    """Return the error for a plan of another format; None for one of this format, and for a document that is no plan."""
    if not isinstance(document, dict) or any(type(document.get(name)) is not of for name, of in _OUTLINES.items()):
        return None
    if document["format_version"] == FORMAT_VERSION:
        return None
    return _made_by_another(
        f"it has the format {document['format_version'][:20]!r}, and this one reads {FORMAT_VERSION!r}"
    )


def require_version(made_by: str, own: str) -> None:
    """Raise PlanStale for a plan that a program of another version made: it may give the same form another meaning."""
    if made_by != own:
        raise _made_by_another(f"{made_by[:20]!r}, and this is {own!r}")


def _made_by_another(how: str) -> PlanStale:
    return PlanStale(f"the plan was made by another version of this program: {how}", code="plan-format", hint=_HINT)
