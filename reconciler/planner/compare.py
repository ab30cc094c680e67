"""One address: what is wanted, what is live and what was last applied, turned into its change."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import ConfigurationInvalid, Path, Problem
from reconciler.kinds.meaning import Normal, as_applied, normal, parsed
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, get
from reconciler.model.configuration import Configuration
from reconciler.model.live import ADOPTED, Applied, Live, Row
from reconciler.model.plan import DELETED_OUTSIDE, Action, Cause, Change, FieldChange, OutsideChange, Touch
from reconciler.model.resource import Resource
from reconciler.planner.attribute import Rules, attributed, covered, keep_ignored, moved_outside
from reconciler.planner.moves import NAME_TAKEN, NO_MARKS


class Sides(Struct, frozen=True):
    """The three values of one address; ``applied`` is None for a resource that is being taken over.

    ``previous`` is where it moves from; ``marks`` are what its row remembers of ``moved`` entries. ``uid`` is the one
    that the resource is to have, where that matters ("": a new one): another life is another thing.
    """

    row: Row
    applied: Applied | None
    adopted_from: str | None = None
    previous: Address | None = None
    marks: frozenset[Path] = NO_MARKS
    uid: str | None = None


def create(wanted: Resource, live: Live, marks: frozenset[Path] = NO_MARKS) -> Change:
    """Nothing of ours is live at this address; somebody may have deleted it."""
    gone = live.applied.get(wanted.address)
    return Change(
        wanted.address,
        Action.CREATE,
        None,
        wanted.text,
        reason=DELETED_OUTSIDE if gone else "",
        outside=live.deletions.get(wanted.address, Touch()) if gone else None,
        explicit=_explicit(wanted, marks),
        source=wanted.source,
    )


def _explicit(wanted: Resource, marks: frozenset[Path]) -> tuple[Path, ...]:
    return _sorted(wanted.explicit | marks if marks else wanted.explicit)


def kept_marks(applied: Applied | None) -> frozenset[Path]:
    """Return what a row goes on remembering, whatever is written: from whom it was taken over."""
    return NO_MARKS if applied is None else frozenset(path for path in applied.explicit if path[:1] == (ADOPTED,))


@lru_cache(maxsize=4096)
def _sorted(paths: frozenset[Path]) -> tuple[Path, ...]:
    """Resources of one type mostly write the same fields: they share one value."""
    return tuple(sorted(paths, key=str))


def compare(wanted: Resource, sides: Sides, configuration: Configuration, today: date) -> Change | None:
    """Return the change from live to wanted, or None where nothing has to be written.

    Raises ConfigurationInvalid where the fields that ignore rules keep don't fit what is wanted.
    """
    row, applied = sides.row, sides.applied
    kind = KINDS[wanted.address.kind]
    same_life = sides.uid in {None, row.uid}
    plain = sides.adopted_from is None and sides.previous is None and same_life
    unmoved = applied is not None and as_applied(row, applied)
    if plain and unmoved and applied and applied.digest == wanted.digest and applied.spec_version == kind.spec_version:
        return None
    before = normal(row)
    base = normal(applied) if applied else None
    another = _other_identity(before, base, wanted, configuration.ignore, today) if same_life else "uid"
    # a replace is a creation: it writes what is wanted
    rules = () if another else configuration.ignore
    after = _with_ignored(wanted, before, rules, today)
    then = applied.explicit if applied else frozenset()
    fields = attributed(before.body, after, base.body if base else None, wanted.explicit, then)
    is_forged = applied is not None and applied.forged
    outside = (
        base is not None
        and not unmoved
        and (is_forged or not before.valid or moved_outside(wanted.address, base.body, before.body, rules, today))
    )
    change = Change(
        wanted.address,
        Action.UPDATE,
        before.body,
        after,
        fields=fields,
        previous=sides.previous,
        adopted_from=sides.adopted_from,
        outside=row.touch if outside else None,
        uid=row.uid,
        row_version=row.row_version,
        explicit=_explicit(wanted, sides.marks | kept_marks(applied)),
        source=wanted.source,
        unchanged=_unchanged(after, fields),
    )
    if another:
        # the defaults of another type are no news of the tool
        told = tuple(replace(f, cause=Cause.CONFIGURATION) if f.cause is Cause.TOOL else f for f in fields)
        return replace(
            change, action=Action.REPLACE, reason=NAME_TAKEN if sides.uid == "" else f"{another}-changed", fields=told
        )
    if not before.valid:
        return replace(change, reason="live-invalid")
    found = _with_action(change, outside)
    return replace(found, reason="record-forged") if found and is_forged and found.action is Action.ADOPT else found


def _with_action(change: Change, outside: bool) -> Change | None:
    taken_over = change.adopted_from is not None
    if change.fields:
        return replace(change, reason="moved" if change.previous else "adopted" if taken_over else "")
    if change.previous:
        return replace(change, action=Action.MOVE, reason="moved")
    if taken_over:
        return replace(change, action=Action.ADOPT, reason="adopted")
    if outside:
        # somebody made by hand what the configuration now says: live stays, and counts as applied from now on
        return replace(change, action=Action.ADOPT, reason="outside-change-accepted")
    return None


def _other_identity(before: Normal, base: Normal | None, wanted: Resource, rules: Rules, today: date) -> str | None:
    """Return the field by which wanted is another thing than what is there; None where it is the same.

    A body that no longer parses is no other thing: it is still what was last applied.
    """
    there = before if before.valid or base is None else base
    for name in KINDS[wanted.address.kind].identity:
        left_alone = covered(wanted.address, (name,), rules, today)
        if not left_alone and get(there.body, (name,)) != get(wanted.body, (name,)):
            return name
    return None


def _with_ignored(wanted: Resource, before: Normal, rules: Rules, today: date) -> Body:
    kept = keep_ignored(wanted.address, before.body, wanted.body, rules, today)
    if kept is wanted.body:
        return kept
    found = parsed(wanted.address, kept)
    if found is not None:
        return found.body
    if not before.valid:
        return wanted.body  # what is live can't be kept: it is no body at all
    raise ConfigurationInvalid(
        Problem(
            "ignored-unfit",
            f"{wanted.address}: what is live in the ignored fields does not go with what is declared",
            address=str(wanted.address),
            place=wanted.source,
            hint="change the rules under `ignore` in reconciler.yaml, or declare what is live",
        )
    )


def _unchanged(after: Body, fields: tuple[FieldChange, ...]) -> int:
    touched = {field.path[0] for field in fields}
    return sum(key not in touched for key in after)


def remove(address: Address, action: Action, live: Live, reason: str) -> Change:
    """Return a resource of ours that is no longer wanted: deleted, or let go of."""
    row, applied = live.rows[address], live.applied[address]
    before = normal(row)
    outside = None if as_applied(row, applied) else row.touch
    after = before.body if action is Action.FORGET else None
    return Change(
        address, action, before.body, after, reason=reason, outside=outside, uid=row.uid, row_version=row.row_version
    )


def outside_change(address: Address, live: Live, configuration: Configuration, today: date) -> OutsideChange | None:
    """Return what somebody else did to a resource of ours since it was last applied; None for nothing."""
    applied, row = live.applied[address], live.rows.get(address)
    if row is None or row.uid != applied.uid:
        touch = live.deletions.get(address, Touch())
        return OutsideChange(address, "deleted", normal(applied).body, None, (), touch)
    if as_applied(row, applied):
        return None
    base, now = normal(applied), normal(row)
    told = tuple(
        replace(field, cause=Cause.OUTSIDE)
        for field in attributed(base.body, now.body, base.body, (), ())
        if not covered(address, field.path, configuration.ignore, today)
    )
    if applied.forged:
        return OutsideChange(address, "forged", base.body, now.body, told, Touch())
    return OutsideChange(address, "changed", base.body, now.body, told, row.touch) if told or not now.valid else None
