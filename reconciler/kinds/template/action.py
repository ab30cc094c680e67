"""A template's body turned into what running it does: callers don't say it, and neither do policies."""

from __future__ import annotations

from reconciler.kinds.template.types import TYPES
from reconciler.model.body import Body


def reads_only(body: Body) -> bool:
    """Whether running it changes nothing, as far as its type can tell."""
    found = TYPES.get(body.get("type", ""))
    return found is not None and found.reads(body)


def action_of(body: Body) -> str:
    """Return what its type does or what it says of itself, where it only reads; `write` for anything else."""
    if not reads_only(body):
        return "write"
    said = body.get("action")
    if isinstance(said, str):
        return said
    action = TYPES[body["type"]].action
    return action if isinstance(action, str) else action(body)
