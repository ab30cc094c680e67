"""What ``protected: true`` and ``on_delete: retain`` hold back: the one judge for a plan and for an apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reconciler.model.body import Body
from reconciler.model.plan import Action, Blocker, Change

_ENDING = frozenset({Action.DELETE, Action.REPLACE, Action.FORGET})


def protected(changes: Iterable[Change], live: Callable[[Change], Body | None]) -> Iterator[Blocker]:
    """Yield a reason for each change that would end or let go of something protected, or delete what is to be retained.

    ``live`` is the body it has now.
    """
    for change in changes:
        if change.action is Action.DELETE and is_retained(live(change)):
            yield Blocker(
                "retained",
                f"{change.address} is to be retained, and this plan would delete it",
                "keep its name free, or set `on_delete: delete` and apply that first",
                change.address,
            )
        if change.action in _ENDING and not change.is_lost and (live(change) or {}).get("protected") is True:
            yield Blocker(
                "protected",
                f"{change.address} is protected, and this plan would {change.action.value} it",
                "set `protected: false` and apply that first",
                change.address,
            )


def is_retained(live: Body | None) -> bool:
    """Whether a live body says that nothing deletes its resource."""
    return (live or {}).get("on_delete") == "retain"
