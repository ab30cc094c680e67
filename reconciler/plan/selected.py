"""Convert the selection of a plan or a drift report into the values of its JSON."""

from __future__ import annotations

from typing import Any

from reconciler.model.drift import Drift
from reconciler.model.plan import Plan


def selection_document(found: Plan | Drift) -> dict[str, Any]:
    """Return what was selected, and what was left out."""
    return {
        "selected": [*found.selected],
        "left_out": [
            {"why": one.why, "count": one.count, "addresses": [*map(str, one.addresses)]} for one in found.left_out
        ],
    }
