"""Stable words of plans and drift turned into those that people read."""

from __future__ import annotations

from reconciler.model.plan import Action
from reconciler.model.risk import RISKS

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

FIELDS = {"add": "+", "remove": "-", "change": "~"}

GRAVEST = ("delete", "replace", "forget", "move", "adopt", "update", "create")
"""Among changes of equal risk, what is read first."""

QUIET = frozenset({"limit-lowered"})
"""Risks that are told beside a change, and do not bring it before the others."""

_RANKS = {risk: rank for rank, risk in enumerate(RISKS)}

CAUSES = {
    "configuration": "the configuration",
    "outside": "somebody, outside",
    "both": "both: the configuration, and somebody outside",
    "tool": "the tool: its default changed",
}


def risk_word(risk: str) -> str:
    return risk.replace("-", " ")


def risk_rank(risk: str) -> int:
    """The gravest first; one that this tool does not know comes last."""
    return _RANKS.get(risk, len(_RANKS))
