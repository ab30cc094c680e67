"""Stable words of plans and drift turned into those that people read."""

from __future__ import annotations

from reconciler.model.plan import Action

ACTIONS = {
    "create": (Action.CREATE.symbol, "will be created"),
    "update": (Action.UPDATE.symbol, "will be updated in-place"),
    "replace": (Action.REPLACE.symbol, "must be replaced"),
    "delete": (Action.DELETE.symbol, "will be destroyed"),
    "move": (Action.MOVE.symbol, "will be moved"),
    "adopt": (Action.ADOPT.symbol, "will be adopted"),
    "forget": (Action.FORGET.symbol, "will no longer be managed, and will not be destroyed"),
    "created outside": ("+", "was created outside"),
    "changed outside": ("~", "was changed outside"),
    "deleted outside": ("-", "was deleted outside"),
}
"""Of each action its symbol and what is said of the resource."""


GRAVEST = ("delete", "replace", "forget", "move", "adopt", "update", "create")
"""Among changes of equal risk, what is read first."""

CAUSES = {
    "configuration": "the configuration",
    "outside": "somebody, outside",
    "both": "both: the configuration, and somebody outside",
    "tool": "the tool: its default changed",
}


def risk_word(risk: str) -> str:
    """Return a risk's name in words."""
    return risk.replace("-", " ")
