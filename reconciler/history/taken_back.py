"""What a plan would take back: values that an earlier generation replaced, and that the plan brings back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from reconciler.errors import Path
from reconciler.history.managed import GONE
from reconciler.model.address import Address
from reconciler.model.body import dotted, get, has
from reconciler.model.history import Generation, History, PastChange
from reconciler.model.plan import Action, Change

UNDOING = frozenset({"rollback", "revert"})
"""Operations whose whole effect is meant to stay, creations and deletions included."""


class TakenBack(Struct, frozen=True):
    """A generation, and what of it would be undone: an address, or one of its fields, as text."""

    generation: Generation
    places: tuple[str, ...]


def taken_back(changes: Sequence[Change], history: History) -> tuple[TakenBack, ...]:
    """Return the generations that the changes undo, newest first; ``history`` holds what happened to their resources.

    A field counts where live is what a generation set, and wanted is what was there before it. Of a rollback or a
    revert, a resource that it deleted or created counts as well, whatever its body is to be now; of an ordinary apply
    it does not: what is declared once more is a resource of its own.
    """
    by_address, by_life = _indexed(history.changes)
    found: dict[int, list[str]] = defaultdict(list)
    for change in changes:
        if change.action is Action.CREATE:
            places = _created_again(change, by_address.get(change.address, ()), history)
        elif change.action is Action.DELETE:
            places = _deleted_again(change, by_life.get((change.address.tenant, change.uid or ""), ()), history)
        else:
            places = _fields_again(change, by_life.get((change.address.tenant, change.uid or ""), ()))
        for number, place in places:
            found[number].append(place)
    return tuple(
        TakenBack(history.by_number[number], tuple(found[number]))
        for number in sorted(found, reverse=True)
        if number in history.by_number
    )


def _indexed(
    changes: Sequence[PastChange],
) -> tuple[Mapping[Address, list[PastChange]], Mapping[tuple[str, str], list[PastChange]]]:
    by_address: dict[Address, list[PastChange]] = defaultdict(list)
    by_life: dict[tuple[str, str], list[PastChange]] = defaultdict(list)
    for past in changes:
        by_address[past.address].append(past)
        by_life[past.address.tenant, past.uid].append(past)
    return by_address, by_life


def _undoes(past: PastChange, history: History) -> bool:
    made = history.by_number.get(past.generation)
    return made is not None and made.operation in UNDOING


def _created_again(change: Change, past: Sequence[PastChange], history: History) -> Iterator[tuple[int, str]]:
    """Yield the rollback or revert that deleted what a creation would bring again."""
    last = past[-1] if past else None
    if last is not None and last.action in GONE and _undoes(last, history):
        yield last.generation, str(change.address)


def _deleted_again(change: Change, past: Sequence[PastChange], history: History) -> Iterator[tuple[int, str]]:
    """Yield the rollback or revert that brought a resource back which a plan deletes."""
    begun = next((one for one in reversed(past) if one.before is None), None)
    if begun is not None and _undoes(begun, history):
        yield begun.generation, str(change.address)


def _fields_again(change: Change, past: Sequence[PastChange]) -> Iterator[tuple[int, str]]:
    for field in change.fields:
        last = next((one for one in reversed(past) if _moved(one, field.path)), None)
        if last is None or last.before is None or last.after is None:
            continue
        stands = _value(last.after, field.path) == _value(change.before or {}, field.path)
        if stands and _value(last.before, field.path) == _value(change.after or {}, field.path):
            yield last.generation, f"{change.address} {dotted(field.path)}"


def _moved(past: PastChange, path: Path) -> bool:
    return _value(past.before or {}, path) != _value(past.after or {}, path)


_ABSENT = object()


def _value(body: Mapping[str, object], path: Path) -> object:
    return get(body, path) if has(body, path) else _ABSENT


def sentence(undone: TakenBack, newest: int) -> str:
    """Return what a plan says of it."""
    made = undone.generation
    places = ", ".join(undone.places[:5]) + (f" and {len(undone.places) - 5} more" if len(undone.places) > 5 else "")
    by = f"(generation {made.number}, by {made.actor} at {made.at})"
    if made.operation in UNDOING and made.number == newest:
        return f"the last apply was a {made.operation} {by}, and the configuration would undo it: {places}"
    what = f"a {made.operation}" if made.operation in UNDOING else "an earlier apply"
    return f"this takes back what {what} {by} changed: {places}"
