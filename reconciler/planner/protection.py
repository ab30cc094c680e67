"""What ``protected: true`` holds back: the one judge for a plan and for an apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reconciler.model.body import Body
from reconciler.model.plan import Action, Blocker, Change

_ENDING = frozenset({Action.DELETE, Action.REPLACE, Action.FORGET})


def protected(changes: Iterable[Change], live: Callable[[Change], Body | None]) -> Iterator[Blocker]:
    """Yield a reason for each change that would end or let go of something protected; ``live`` is the body it has now."""
    for change in changes:
        if change.action in _ENDING and not change.is_lost and (live(change) or {}).get("protected") is True:
            yield Blocker(
                "protected",
                f"{change.address} is protected, and this plan would {change.action.value} it",
                "set `protected: false` and apply that first",
                change.address,
            )
