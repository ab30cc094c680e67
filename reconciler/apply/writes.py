"""Writes changes as sets of rows, in the order in which the database takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from reconciler.errors import Path, Place
from reconciler.kinds.facts import heals
from reconciler.kinds.table import KINDS, SPEC_VERSIONS
from reconciler.kinds.tool import names_of
from reconciler.model.address import Address
from reconciler.model.binding import BEGINNING, Meant, names_meant
from reconciler.model.body import digest_of_text
from reconciler.model.live import Applied, Row
from reconciler.model.plan import BEGINNINGS, BODY_STAYS, REBOUND, SECRET_OPS, Action, Cause, Change
from reconciler.model.secret_ref import SecretRef
from reconciler.store.carrying import Life
from reconciler.store.creations import Creation
from reconciler.store.recording import HistoryEntry
from reconciler.store.row_writes import Remembered, WrittenRow
from reconciler.store.rows import paths_to_json
from reconciler.store.transaction import Transaction

_ACTION_WORDS = {action: action.value for action in Action}
_CAUSE_WORDS = {cause: cause.value for cause in Cause}
_REMEMBERED = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.MOVE, Action.ADOPT)


class Entries(NamedTuple):
    """The entries of history for changes that are not staged, and what the audit trail records of every change.

    That is its address, its action, and the digests before and after.
    """

    history: list[HistoryEntry]
    told: list[list[str | None]]


class _Work(NamedTuple):
    """The changes of one apply by how they are written. Each has its position in the plan, from 1.

    ``staged`` are creations that are written as one set, ``others`` all other changes; of these, ``uids`` has the uid behind
    the change, ``bodies`` the row to be written at an address.
    """

    staged: Mapping[Address, Creation]
    others: Sequence[tuple[int, Change]]
    uids: Mapping[int, str]
    bodies: Mapping[Address, WrittenRow]

    def changes(self, *actions: Action) -> list[Change]:
        """Return the changes of these actions, action by action; all but the staged ones where none is named."""
        if not actions:
            return [change for _, change in self.others]
        return [change for action in actions for _, change in self.others if change.action is action]

    def written(self, *actions: Action) -> list[WrittenRow]:
        return [self.bodies[change.address] for change in self.changes(*actions)]


def write(
    transaction: Transaction,
    changes: Sequence[Change],
    rows: Mapping[Address, Row],
    applied: Mapping[Address, Applied],
    generation: int,
) -> Entries:
    """Write all changes; ``rows`` and ``applied`` are what was there before."""
    work = _sorted(transaction, changes, applied)
    _write_resources(transaction, work, rows)
    transaction.create([*work.staged.values()], generation)
    _write_owners(transaction, work)
    _write_records(transaction, work, rows, generation)
    transaction.carry_freezes(_lives([(change, work.uids[n]) for n, change in work.others], applied))
    return _entries(work, changes)


def _sorted(transaction: Transaction, changes: Sequence[Change], applied: Mapping[Address, Applied]) -> _Work:
    """Choose how each change is written, and give new lives their uids."""
    fresh = iter(new_uids(len(changes)))
    created = [(n, c) for n, c in enumerate(changes, 1) if c.action is Action.CREATE and c.address not in applied]
    stages = transaction.stages(len(created))
    staged = {c.address: _creation(n, c, fresh) for n, c in created} if stages else {}
    others = [(n, c) for n, c in enumerate(changes, 1) if c.address not in staged]
    uids = {n: _uid(c, fresh) for n, c in others}
    bodies = {c.address: _body(c, uids[n], c.new_text) for n, c in others if c.new_text is not None}
    return _Work(staged, others, uids, bodies)


def _body(change: Change, uid: str, text: str) -> WrittenRow:
    return WrittenRow(change.address, uid, text, digest_of_text(text), SPEC_VERSIONS[change.address.kind])


def _write_resources(transaction: Transaction, work: _Work, rows: Mapping[Address, Row]) -> None:
    """Write the changed rows: deletions come before moves onto their names."""
    changes = work.changes()
    transaction.delete([rows[c.previous or c.address] for c in changes if c.action.destroys])
    transaction.move([(rows[c.previous], c.address) for c in changes if c.previous and not c.action.destroys])
    transaction.update(work.written(Action.UPDATE))
    transaction.insert(work.written(Action.CREATE, Action.REPLACE))


def _write_owners(transaction: Transaction, work: _Work) -> None:
    transaction.adopt([c.address for c in work.changes(Action.ADOPT) if c.adopted_from is not None])
    transaction.let_go([c.address for c in work.changes() if c.lets_go])
    transaction.clear_errors([(c.address.tenant, c.uid or "") for c in work.changes(Action.UPDATE) if _heals(c)])


def _write_records(transaction: Transaction, work: _Work, rows: Mapping[Address, Row], generation: int) -> None:
    """Write what was applied; what is gone, has moved or was another project's is forgotten first."""
    changes = work.changes()
    gone = [c.address for c in work.changes(Action.DELETE, Action.FORGET)]
    transaction.forget_applied(gone + [c.previous for c in changes if c.previous])
    for owner in sorted({c.adopted_from for c in changes if c.adopted_from}):
        transaction.forget_applied([c.address for c in changes if c.adopted_from == owner], owner)
    transaction.remember([_remembered(c, work, rows, generation) for c in work.changes(*_REMEMBERED)])


def _entries(work: _Work, changes: Sequence[Change]) -> Entries:
    # where one resource ends and another moves to its name, both have that address
    bodies = ((n, c, None if c.new_text is None else work.bodies[c.address]) for n, c in work.others)
    history = [_entry(n, c, work.uids[n], body) for n, c, body in bodies]
    digests = {
        c.address: work.bodies[c.address].digest for c in work.changes() if c.new_text is not None and not c.is_lost
    }
    return Entries(history, [_told(c, work.staged.get(c.address), digests) for c in changes])


def _lives(changes: Sequence[tuple[Change, str]], applied: Mapping[Address, Applied]) -> Iterator[Life]:
    """Yield what gets another uid or leaves a name: a freeze stays in force for it.

    A resource that somebody deleted, and that the files still declare, is the same one when it is created anew.
    """
    vacated = {change.previous for change, _ in changes}
    for change, after in changes:
        before = change.uid
        if change.action is Action.CREATE and change.address in applied and change.address not in vacated:
            before = applied[change.address].uid
        left = _left(change)
        if before and change.new_text is not None and (before != after or left):
            yield Life(change.address.tenant, before, after, left)


def _left(change: Change) -> frozenset[str]:
    """Return the names by which the resource can be frozen before the change, and not after it."""
    if change.previous is None and (not change.fields or KINDS[change.address.kind].calls is None):
        return frozenset()
    before = names_of(change.previous or change.address, change.before or {})
    return before - names_of(change.address, change.after or {})


def _told(change: Change, creation: Creation | None, digests: Mapping[Address, str]) -> list[str | None]:
    name, action = str(change.address), _ACTION_WORDS[change.action]
    if creation is not None:
        return [name, action, None, creation.digest]
    before = change.old_text
    after = None if change.new_text is None else digests.get(change.address)
    return [name, action, before and digest_of_text(before), after]


def rotated_in(changes: Sequence[Change]) -> dict[Address, list[Path]]:
    """Return the fields behind which another secret is known to be now."""
    fields = {change.address: [field.path for field in change.fields if field.op in SECRET_OPS] for change in changes}
    return {address: paths for address, paths in fields.items() if paths}


def meant_by(changes: Sequence[Change]) -> list[Meant]:
    """Return what each written resource means by its ``encrypted://``; what a plan showed as replaced is bound anew."""
    # in the texts first, since this is done for every change
    return [_meant(c) for c in changes if BEGINNING in (c.new_text or "") or BEGINNING in (c.old_text or "")]


def _meant(change: Change) -> Meant:
    """Return what a change's life means from now on; one that ends means nothing any more."""
    before = names_meant(change.before)
    after = names_meant(change.after) if change.action in _REMEMBERED else frozenset[str]()
    replaced = {SecretRef.parse(str(field.after)).name for field in change.fields if field.op == REBOUND}
    ended = before if change.action.destroys else (before - after) | replaced
    return Meant(change.address, change.uid or "", tuple(sorted(after)), tuple(sorted(ended)))


def new_uids(count: int) -> list[str]:
    """Random UUIDs (version 4, RFC 9562) as text; the library's take several times as long, for every creation."""
    digits = os.urandom(16 * count).hex()
    return [_uuid(digits[at : at + 32]) for at in range(0, len(digits), 32)]


def _uuid(digits: str) -> str:
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _uid(change: Change, fresh: Iterator[str]) -> str:
    """Return the uid of a change: a new one for a creation or replacement, unless it brings a life back."""
    if change.action in BEGINNINGS:
        return change.restored_uid or next(fresh)
    return change.uid or ""


def _heals(change: Change) -> bool:
    """Whether a change ends the status ``error``: one of the credential or the configuration does."""
    kind = KINDS[change.address.kind]
    return any(heals(kind, field.path) for field in change.fields)


def _remembered(change: Change, work: _Work, rows: Mapping[Address, Row], generation: int) -> Remembered:
    by_entry = any(path[:1] == ("moved",) for path in change.explicit)  # and not because something is taken back
    moved_from = str(change.previous) if change.previous and by_entry else None
    witness = rows[change.previous or change.address].witness if change.action in BODY_STAYS else None
    body, source = work.bodies[change.address], _source(change.source)
    return Remembered(body, change.explicit, generation, moved_from, source, witness)


def _source(place: Place | None) -> str | None:
    return str(place) if place else None


def _creation(position: int, change: Change, fresh: Iterator[str]) -> Creation:
    text = cast(str, change.new_text)
    return Creation(
        position,
        *change.address,
        _uid(change, fresh),
        text,
        SPEC_VERSIONS[change.address.kind],
        digest_of_text(text),
        paths_to_json(change.explicit),
        _source(change.source),
        _CAUSE_WORDS[change.cause],
    )


def _entry(position: int, change: Change, uid: str, written: WrittenRow | None) -> HistoryEntry:
    """Return history's entry of a change; a row that somebody else deleted is not one that we let go of."""
    # by position: this is done for every change
    return HistoryEntry(
        position,
        change.address,
        _ACTION_WORDS[change.action],
        uid,
        change.old_text,
        None if change.is_lost or written is None else written.text,
        _CAUSE_WORDS[change.cause],
        str(change.previous) if change.previous else None,
        change.explicit,
        _source(change.source),
        SPEC_VERSIONS[change.address.kind],
        tuple((path, str(place)) for path, place in change.sources)
        or tuple((field.path, str(field.source)) for field in change.fields if field.source),
    )
