"""Says for every field that differs whose doing it is: last applied, live and desired, three ways."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from reconciler.diff.fields import Difference, differences
from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import Body, drop, get, has, put
from reconciler.model.configuration import Ignore
from reconciler.model.plan import Cause, FieldChange

Rules = tuple[Ignore, ...]


def attributed(
    live: Body,
    desired: Body,
    applied: Body | None,
    explicit_now: Collection[Path],
    explicit_then: Collection[Path],
) -> tuple[FieldChange, ...]:
    """Return the fields that change from ``live`` to ``desired``; ``explicit_*`` are the paths that somebody wrote.

    ``applied`` is None for a resource that is being taken over: all that changes in it is the configuration's doing.
    """
    return tuple(
        FieldChange(
            *difference,
            cause=Cause.CONFIGURATION
            if applied is None
            else _cause(difference, live, desired, applied, explicit_now, explicit_then),
        )
        for difference in differences(live, desired)
    )


def _cause(
    change: Difference, live: Body, desired: Body, applied: Body, now: Collection[Path], then: Collection[Path]
) -> Cause:
    live_moved = not _agrees(applied, change.path, change.before, change.op != "add")
    wish_moved = not _agrees(applied, change.path, change.after, change.op != "remove")
    if live_moved and wish_moved:
        return Cause.BOTH
    if live_moved:
        return Cause.OUTSIDE
    if _written(change.path, now) or _written(change.path, then) or _came_with_another(change, live, desired, applied):
        return Cause.CONFIGURATION
    # nobody wrote this field, neither then nor now: a default of the tool changed
    return Cause.TOOL


def _agrees(applied: Body, path: Path, value: object, present: bool) -> bool:
    if not present:
        return not has(applied, path)
    return has(applied, path) and not any(differences({"": get(applied, path)}, {"": value}))


def _written(path: Path, explicit: Collection[Path]) -> bool:
    """Whether the field, one above it or one below it was written."""
    if any(path[: i + 1] in explicit for i in range(len(path))):
        return True
    return any(written[: len(path)] == path for written in explicit)


def _came_with_another(change: Difference, live: Body, desired: Body, applied: Body) -> bool:
    """Whether a default only came or went with the map that holds it, or with another ``type`` of that map."""
    around = change.path[:-1]
    if not around:
        return False
    if not (has(live, around) and has(desired, around)):
        return True
    kind = (*around, "type")
    return bool(get(applied, kind) != get(desired, kind))


def keep_ignored(address: Address, live: Body, desired: Body, rules: Rules, today: date) -> Body:
    """``desired`` with the fields that an ignore rule covers as they are live.

    What comes or goes as a whole map does so with the fields in it, unless a rule covers the map itself.
    """
    kept = desired
    for change in differences(live, desired) if rules else ():
        path = _whole(change, live, desired)
        if covered(address, path, rules, today):
            kept = put(kept, path, get(live, path)) if has(live, path) else drop(kept, path)
    return kept


def _whole(change: Difference, live: Body, desired: Body) -> Path:
    """Return the topmost of the maps that are on one side only and hold the field; the field itself if there is none."""
    lengths = range(1, len(change.path))
    ways = (change.path[:length] for length in lengths)
    return next((way for way in ways if has(live, way) != has(desired, way)), change.path)


def moved_outside(address: Address, applied: Body, live: Body, rules: Rules, today: date) -> bool:
    """Whether somebody changed the row since it was applied, in a field that no ignore rule covers."""
    return any(not covered(address, change.path, rules, today) for change in differences(applied, live))


def covered(address: Address, path: Path, rules: Rules, today: date) -> bool:
    """Whether an ignore rule leaves the field to others on this day."""
    return any(rule.covers(address, path, today) for rule in rules)
