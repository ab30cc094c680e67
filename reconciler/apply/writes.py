"""The changes that are to be written, turned into sets of rows, in the order in which the database takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from reconciler.errors import Path, Place
from reconciler.kinds.table import KINDS, SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.model.body import digest_of_text
from reconciler.model.live import Applied, Row
from reconciler.model.plan import Action, Cause, Change
from reconciler.store.transaction import HistoryEntry, Remembered, Transaction, Written

_ACTION_WORDS = {action: action.value for action in Action}
_CAUSE_WORDS = {cause: cause.value for cause in Cause}
_REMEMBERED = {Action.CREATE, Action.UPDATE, Action.REPLACE, Action.MOVE, Action.ADOPT}


def write(
    transaction: Transaction,
    changes: Sequence[Change],
    rows: Mapping[Address, Row],
    applied: Mapping[Address, Applied],
    generation: int,
) -> list[HistoryEntry]:
    """Writes all of them; returns what history shall keep. Deletes come before moves onto their names."""
    fresh = iter(new_uids(len(changes)))
    uids = {c.address: _uid(c, fresh) for c in changes}
    texts = {c.address: c.new_text for c in changes if c.new_text is not None}

    rows_written = {
        here: Written(here, uids[here], text, digest_of_text(text), SPEC_VERSIONS[here.kind])
        for here, text in texts.items()
    }

    def written(change: Change) -> Written:
        return rows_written[change.address]

    by_action: dict[Action, list[Change]] = {action: [] for action in Action}
    for change in changes:
        by_action[change.action].append(change)

    transaction.delete([rows[c.previous or c.address] for c in changes if c.action.destroys])
    moves = [(rows[c.previous], c.address) for c in changes if c.previous and not c.action.destroys]
    transaction.move(moves)
    transaction.update([written(c) for c in by_action[Action.UPDATE]])
    transaction.insert([written(c) for c in (*by_action[Action.CREATE], *by_action[Action.REPLACE])])
    transaction.adopt([c.address for c in by_action[Action.ADOPT] if c.adopted_from is not None])
    transaction.let_go([c.address for c in changes if c.lets_go])
    transaction.clear_errors([(c.address.tenant, uids[c.address]) for c in by_action[Action.UPDATE] if _heals(c)])

    gone = [c.address for c in (*by_action[Action.DELETE], *by_action[Action.FORGET])]
    transaction.forget_applied(gone + [c.previous for c in changes if c.previous])
    for owner in sorted({c.adopted_from for c in changes if c.adopted_from}):
        transaction.forget_applied([c.address for c in changes if c.adopted_from == owner], owner)
    transaction.remember(
        [_remembered(c, written(c), applied, generation) for c in changes if c.action in _REMEMBERED], applied
    )
    return [_entry(c, uids[c.address], texts.get(c.address)) for c in changes]


def rotated_in(changes: Sequence[Change]) -> dict[Address, list[Path]]:
    """The fields behind which another secret is known to be now."""
    fields = {change.address: [field.path for field in change.fields if field.op == "secret"] for change in changes}
    return {address: paths for address, paths in fields.items() if paths}


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
    fields = KINDS[change.address.kind].health_fields
    return any(field.path[0] in fields for field in change.fields)


def _remembered(change: Change, written: Written, applied: Mapping[Address, Applied], generation: int) -> Remembered:
    known = applied.get(change.previous or change.address)
    moved_from = str(change.previous) if change.previous else known.moved_from if known else None
    return Remembered(written, change.explicit, generation, moved_from, _source(change.source))


def _source(place: Place | None) -> str | None:
    return str(place) if place else None


def _entry(change: Change, uid: str, after: str | None) -> HistoryEntry:
    """A row that somebody else deleted is not one that we let go of: nothing is left of it."""
    # by position: this is done for every change
    return HistoryEntry(
        change.address,
        _ACTION_WORDS[change.action],
        uid,
        change.old_text,
        None if change.is_lost else after,
        _CAUSE_WORDS[change.cause],
        str(change.previous) if change.previous else None,
        change.explicit,
        _source(change.source),
        SPEC_VERSIONS[change.address.kind],
        tuple((field.path, str(field.source)) for field in change.fields if field.source) if change.fields else (),
    )
