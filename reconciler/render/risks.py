"""Risks as text: of one change, and of a whole plan with the gravest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest

from reconciler.model.plan import Change
from reconciler.model.risk import RISKS, Level, level_of

EVIDENT = {"deletes", "replaces", "lets-go", "takes-over", "overwrites-outside"}
"""Risks that the rest of the text says already."""
MOST = 20
_UNKNOWN = ""
_ORDER = sorted((*RISKS, _UNKNOWN), key=lambda risk: [*Level].index(level_of(risk)))
_RANKS = {risk: rank for rank, risk in enumerate(_ORDER)}


def rank_of(risk: str) -> int:
    """Return where a risk stands among all, the gravest first; unknown ones come last of their level."""
    return _RANKS.get(risk, _RANKS[_UNKNOWN])


def risk_words(risks: Iterable[str]) -> str:
    """Return the risks of one change with their levels; empty where the rest of the text says it."""
    return ", ".join(f"{risk} [{level_of(risk).value}]" for risk in sorted(risks, key=rank_of) if risk not in EVIDENT)


def risk_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Return how many changes are of which level, and those changes, the gravest first; nothing without a risk."""
    worst = [
        (min(ranks), number)
        for number, change in enumerate(changes)
        if change.risks and (ranks := [rank_of(risk) for risk in change.risks if risk not in EVIDENT])
    ]
    if not worst:
        return
    levels = Counter(level_of(_ORDER[rank]) for rank, _ in worst)
    yield f"Risks: {', '.join(f'{levels[level]} {level.value}' for level in Level if levels[level])}."
    for rank, number in nsmallest(MOST, worst):
        change = changes[number]
        yield f"  {level_of(_ORDER[rank]).value:<6}  {change.address}: {risk_words(change.risks)}"
    if len(worst) > MOST:
        yield f"  and {len(worst) - MOST} more, no graver than these"
