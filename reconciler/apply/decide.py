"""One change against the locked rows: to be written, done already, stale, or not ours to touch."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from reconciler.kinds.meaning import normal
from reconciler.model.address import Address
from reconciler.model.body import Body, digest_of_text
from reconciler.model.live import Applied, Owner, Row, owner_of, owns
from reconciler.model.plan import SECRET_OPS, Action, Change


class Verdict(Enum):
    """What an apply does about one planned change, now that it sees the live row."""

    WRITE = "write"
    DONE = "done"
    LOST = "lost"
    """Somebody else deleted what was to be deleted: only our record of it is left to go."""
    STALE = "stale"
    NOT_OURS = "not-ours"

    __hash__ = object.__hash__
    """There is one object of each: Enum's own hash is slower, and asked for with every change."""


class Locked(Struct, frozen=True):
    """What the transaction read under its locks.

    ``vacated`` are the names that this plan frees, ``reached`` those that its moves lead to.
    """

    rows: Mapping[Address, Row]
    applied: Mapping[Address, Applied]
    owners: Mapping[Address, Owner]
    vacated: frozenset[Address]
    reached: frozenset[Address] = frozenset()

    def owns(self, address: Address) -> bool:
        return owns(address, self.rows, self.applied)

    def owner(self, address: Address) -> str | None:
        return owner_of(address, self.rows, self.owners)

    def body_before(self, change: Change) -> Body | None:
        """Return what is live of what the change is about."""
        row = self.rows.get(change.previous or change.address)
        return None if row is None else normal(row).body


def decide(change: Change, locked: Locked) -> Verdict:
    """Live equals ``after``: done. Live equals ``before``, at the planned row_version: write. Otherwise stale."""
    if change.action is Action.CREATE:
        return _create(change, locked)
    if change.action is Action.DELETE:
        return _delete(change, locked)
    if change.action is Action.FORGET:
        return _forget(change, locked)
    return _rewrite(change, locked)


def _is(row: Row, text: str | None) -> bool:
    return text is not None and normal(row).digest == digest_of_text(text)


def _create(change: Change, locked: Locked) -> Verdict:
    row = locked.rows.get(change.address)
    if row is None or change.address in locked.vacated:
        return Verdict.WRITE
    if locked.owner(change.address):
        return Verdict.NOT_OURS
    return Verdict.DONE if locked.owns(change.address) and _is(row, change.new_text) else Verdict.STALE


def _as_planned(change: Change, row: Row) -> bool:
    return row.uid == change.uid and row.row_version == change.row_version and _is(row, change.old_text)


def _delete(change: Change, locked: Locked) -> Verdict:
    row, applied = locked.rows.get(change.address), locked.applied.get(change.address)
    if change.address in locked.reached and (row is None or row.uid != change.uid):
        return Verdict.DONE  # what moves there says whether it still can
    if row is None:
        return Verdict.LOST if applied is not None and applied.uid == change.uid else Verdict.DONE
    if not locked.owns(change.address):
        return Verdict.NOT_OURS if locked.owner(change.address) else Verdict.STALE
    return Verdict.WRITE if _as_planned(change, row) else Verdict.STALE


def _forget(change: Change, locked: Locked) -> Verdict:
    applied = locked.applied.get(change.address)
    if applied is None:
        return Verdict.DONE
    if applied.uid != change.uid:
        return Verdict.STALE
    if change.is_lost:
        return Verdict.STALE if locked.owns(change.address) else Verdict.WRITE
    row = locked.rows.get(change.address)
    return Verdict.WRITE if row is not None and _as_planned(change, row) else Verdict.STALE


def _arrived(change: Change, here: Row, locked: Locked) -> bool:
    """Whether the row at the address is what this change makes of the planned one, and not another that looks alike."""
    if change.action is not Action.REPLACE:
        return here.uid == change.uid
    if change.restored_uid is not None:
        return here.uid == change.restored_uid
    planned = locked.rows.get(change.previous or change.address)
    return planned is None or planned.uid != change.uid


def _rewrite(change: Change, locked: Locked) -> Verdict:
    """Update, replace, move and adopt."""
    here = locked.rows.get(change.address)
    if here is not None and locked.owns(change.address) and _arrived(change, here, locked):
        record = locked.applied[change.address]
        known = record.digest == digest_of_text(change.new_text or "") and not record.forged
        # a secret behind a reference leaves no trace in the body: only who wrote the row last tells whether it is done
        due = any(field.op in SECRET_OPS for field in change.fields) and here.row_version == change.row_version
        if _is(here, change.new_text) and known and not due:
            return Verdict.DONE
    place = change.previous or change.address
    row = locked.rows.get(place)
    if row is None:
        return Verdict.STALE
    owner = locked.owner(place)
    if change.adopted_from is not None:
        if locked.owns(place):
            return Verdict.STALE
        if owner is not None and owner != change.adopted_from:
            return Verdict.NOT_OURS
    elif not locked.owns(place):
        return Verdict.NOT_OURS if owner else Verdict.STALE
    if change.previous and here is not None and change.address not in locked.vacated:
        return Verdict.STALE
    return Verdict.WRITE if _as_planned(change, row) else Verdict.STALE
