"""The changes that are to be written, turned into sets of rows, in the order in which the database takes them."""

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
from reconciler.model.plan import REBOUND, SECRET_OPS, Action, Cause, Change
from reconciler.model.secret_ref import SecretRef
from reconciler.store.carrying import Life
from reconciler.store.creations import Creation
from reconciler.store.remembering import Remembered, Written
from reconciler.store.rows import paths_to_json
from reconciler.store.transaction import HistoryEntry, Transaction

_ACTION_WORDS = {action: action.value for action in Action}
_CAUSE_WORDS = {cause: cause.value for cause in Cause}
_REMEMBERED = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.MOVE, Action.ADOPT)
_STAYS = frozenset({Action.MOVE, Action.ADOPT})
"""The row's body stays as it is, whoever wrote it."""


class Entries(NamedTuple):
    """What history shall keep of the changes that are not staged, and of each change what the audit trail says: its address,
    its action, and the digests before and after."""

    history: list[HistoryEntry]
    told: list[list[str | None]]


def write(
    transaction: Transaction,
    changes: Sequence[Change],
    rows: Mapping[Address, Row],
    applied: Mapping[Address, Applied],
    generation: int,
) -> Entries:
    """Writes all of them. Deletes come before moves onto their names."""
    fresh = iter(new_uids(len(changes)))
    created = [(n, c) for n, c in enumerate(changes, 1) if c.action is Action.CREATE and c.address not in applied]
    stages = transaction.stages(len(created))
    staged = {c.address: _creation(n, c, fresh) for n, c in created} if stages else {}
    others = [(n, c) for n, c in enumerate(changes, 1) if c.address not in staged]
    uids = {n: _uid(c, fresh) for n, c in others}
    rows_written = {
        c.address: Written(c.address, uids[n], c.new_text, digest_of_text(c.new_text), SPEC_VERSIONS[c.address.kind])
        for n, c in others
        if c.new_text is not None
    }

    def written(change: Change) -> Written:
        return rows_written[change.address]

    by_action: dict[Action, list[Change]] = {action: [] for action in Action}
    for _, change in others:
        by_action[change.action].append(change)

    transaction.delete([rows[c.previous or c.address] for _, c in others if c.action.destroys])
    moves = [(rows[c.previous], c.address) for _, c in others if c.previous and not c.action.destroys]
    transaction.move(moves)
    transaction.update([written(c) for c in by_action[Action.UPDATE]])
    transaction.insert([written(c) for c in (*by_action[Action.CREATE], *by_action[Action.REPLACE])])
    transaction.create([*staged.values()], generation)
    transaction.adopt([c.address for c in by_action[Action.ADOPT] if c.adopted_from is not None])
    transaction.let_go([c.address for _, c in others if c.lets_go])
    transaction.clear_errors([(c.address.tenant, c.uid or "") for c in by_action[Action.UPDATE] if _heals(c)])

    gone = [c.address for c in (*by_action[Action.DELETE], *by_action[Action.FORGET])]
    transaction.forget_applied(gone + [c.previous for _, c in others if c.previous])
    for owner in sorted({c.adopted_from for _, c in others if c.adopted_from}):
        transaction.forget_applied([c.address for _, c in others if c.adopted_from == owner], owner)
    transaction.remember(
        [
            _remembered(c, written(c), generation, rows[c.previous or c.address].witness if action in _STAYS else None)
            for action in _REMEMBERED
            for c in by_action[action]
        ],
        applied,
    )
    transaction.carry_freezes(_lives([(c, uids[n]) for n, c in others], applied))
    # where one resource ends and another moves to its name, both have that address
    history = [_entry(n, c, uids[n], None if c.new_text is None else written(c)) for n, c in others]
    digests = {c.address: written(c).digest for _, c in others if c.new_text is not None and not c.is_lost}
    return Entries(history, [_told(c, staged.get(c.address), digests) for c in changes])


def _lives(changes: Sequence[tuple[Change, str]], applied: Mapping[Address, Applied]) -> Iterator[Life]:
    """Return what gets another uid or leaves a name: a freeze stays in force for it.

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
    """The fields behind which another secret is known to be now."""
    fields = {change.address: [field.path for field in change.fields if field.op in SECRET_OPS] for change in changes}
    return {address: paths for address, paths in fields.items() if paths}


def meant_by(changes: Sequence[Change]) -> list[Meant]:
    """What each written resource means by its ``encrypted://``; what a plan showed as replaced is bound anew."""
    # in the texts first, since this is done for every change
    return [_meant(c) for c in changes if BEGINNING in (c.new_text or "") or BEGINNING in (c.old_text or "")]


def _meant(change: Change) -> Meant:
    """A life that ends means nothing any more; one that goes on keeps what it meant."""
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
    """A creation or replacement begins a new life, unless it brings one back."""
    if change.action is Action.CREATE or change.action is Action.REPLACE:
        return change.restored_uid or next(fresh)
    return change.uid or ""


def _heals(change: Change) -> bool:
    """A changed credential or configuration ends the status ``error``."""
    kind = KINDS[change.address.kind]
    return any(heals(kind, field.path) for field in change.fields)


def _remembered(change: Change, written: Written, generation: int, witness: str | None) -> Remembered:
    by_entry = any(path[:1] == ("moved",) for path in change.explicit)  # and not because something is taken back
    moved_from = str(change.previous) if change.previous and by_entry else None
    return Remembered(written, change.explicit, generation, moved_from, _source(change.source), witness)


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


def _entry(position: int, change: Change, uid: str, written: Written | None) -> HistoryEntry:
    """A row that somebody else deleted is not one that we let go of: nothing is left of it."""
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
