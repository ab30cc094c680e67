"""Recompute an audit trail from its first entry, and give one of three verdicts: it holds, it is not provable, it is broken.

An entry without a key is trusted only up to a *change-over*: a keyed entry that takes over what stands before it
(``TAKES_OVER``). Behind one that has a key, and wherever a key is configured, anybody else without a key is a forger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import orjson
from msgspec import Struct

from reconciler.model.amount import amount
from reconciler.model.audit import Entry, Head
from reconciler.store.audit import GENESIS, NO_HEAD, TAKES_OVER, Chain, entry_hash

Verdict: TypeAlias = Literal["holds", "not-provable", "broken"]
NO_CHECKPOINT = (
    "no checkpoint is given, so entries cut off behind the last one leave no trace but in other tables, and those fit"
)


class TrailFinding(Struct, frozen=True):
    """``entry`` is the number of the first bad entry; None where none is.

    ``taken_over`` is the number of the last change-over, ``unproven`` says why the trail is not provable ("" where it is).
    """

    entry: int | None
    reason: str
    entries: int
    unkeyed: int
    last_hash: str
    taken_over: int | None = None
    unproven: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.entry is not None:
            return "broken"
        return "not-provable" if self.unproven else "holds"


class Checkpoint(Struct, frozen=True):
    """An entry's number and hash as they were at some time, kept outside of the database.

    ``earlier`` are those of a file of heads, in any order: a database that an older copy took the place of, and that went on from
    there, fits the newest alone. Number 0 is the head of an empty trail, which proves nothing.
    """

    seq: int
    hash: str
    earlier: tuple[Head, ...] = ()

    @property
    def seen(self) -> dict[int, set[str]]:
        """The hashes that were seen, by the entry's number; there is one of each in a trail that was never written anew."""
        found: dict[int, set[str]] = {self.seq: {self.hash}}
        for head in self.earlier:
            found.setdefault(head.seq, set()).add(head.hash)
        return found


class _Fault(NamedTuple):
    seq: int
    reason: str


class _Walk:
    """What is known of the entries up to one. ``expects_key``: a key is configured, so an entry without one needs a change-over."""

    def __init__(self, keys: Mapping[str, bytes], expects_key: bool, checkpoint: Checkpoint | None) -> None:
        self._keys, self._expects_key, self._checkpoint = keys, expects_key, checkpoint
        self._seen = checkpoint.seen if checkpoint else {}
        self._last_keyed: int | None = None
        self._suspect: _Fault | None = None
        """The first entry without a key that no change-over has taken over yet."""
        self._taken_over: int | None = None
        self._count = self._unkeyed = self._behind = 0
        self._previous = GENESIS

    def step(self, entry: Entry) -> _Fault | None:
        """Take one entry in; return what is wrong with it."""
        body = _body(entry.body)
        if (fault := self._wrong(entry, body)) is not None:
            return fault
        self._count, self._previous = entry.seq, entry.hash
        if entry.key_id is None:
            self._without_key(entry)
        else:
            self._last_keyed = entry.seq
            if TAKES_OVER in body:
                self._taken_over, self._suspect, self._behind = entry.seq, None, 0
        if seen := self._seen.get(entry.seq):
            self._behind = 0
            if seen != {entry.hash}:
                return _Fault(entry.seq, "it is not the entry that the checkpoint saw: the trail was written anew")
        return None

    def _wrong(self, entry: Entry, body: dict[str, Any]) -> _Fault | None:
        wanted = self._count + 1
        if entry.seq != wanted:
            return _Fault(wanted, f"entry {wanted} is missing")
        if entry.key_id is not None and entry.key_id not in self._keys:
            return _Fault(entry.seq, f"its key {entry.key_id!r} is not known here")
        key = self._keys[entry.key_id] if entry.key_id is not None else None
        if entry_hash(self._previous, entry.key_id, entry.body, key) != entry.hash:
            return _Fault(entry.seq, "it was changed, or what stands before it was")
        if body.get("seq") != entry.seq:
            return _Fault(entry.seq, "its body names another number")
        return None

    def _without_key(self, entry: Entry) -> None:
        self._unkeyed += 1
        self._behind += 1
        if self._suspect is None and self._last_keyed is not None:
            self._suspect = _Fault(entry.seq, f"it has no key, and entry {self._last_keyed} before it has one")
        elif self._suspect is None and self._expects_key:
            reason = "it has no key, though one is configured, and no entry with a key takes it over"
            self._suspect = _Fault(entry.seq, reason)

    def ended(self, chain: Chain) -> TrailFinding:
        """Judge the end: the checkpoint's entry and the head's have to be there."""
        point, head, count = self._checkpoint, chain.head, self._count
        if point is not None and point.seq > count:
            return self.finding(_Fault(count + 1, f"the tail was cut: the checkpoint saw entry {point.seq}"))
        if head.seq != count or head.hash != self._previous:
            if head == NO_HEAD:
                return self.finding(_Fault(count + 1, "the head is missing"))
            reason = f"the head names entry {head.seq}, and the last one is {count}"
            return self.finding(_Fault(min(count, head.seq) + 1, reason))
        return self.finding(None)

    def finding(self, fault: _Fault | None) -> TrailFinding:
        first = min((one for one in (self._suspect, fault) if one is not None), default=None)
        seq, reason = first or (None, "")
        return TrailFinding(
            seq, reason, self._count, self._unkeyed, self._previous, self._taken_over, "" if first else self._unproven()
        )

    def _unproven(self) -> str:
        if self._checkpoint is None or self._checkpoint.seq == 0:
            return NO_CHECKPOINT
        if self._behind:
            return f"{counted(self._behind)} behind the checkpoint without a key, which whoever writes the table could have written"
        return ""


def verify(
    chain: Chain, keys: Mapping[str, bytes], checkpoint: Checkpoint | None = None, expects_key: bool | None = None
) -> TrailFinding:
    """Recompute every hash. Without its key an entry can't be judged, and that is a finding too.

    ``expects_key``: whether a key is configured; by itself, whether any is known.
    """
    walk = _Walk(keys, bool(keys) if expects_key is None else expects_key, checkpoint)
    for entry in chain.entries:
        if (fault := walk.step(entry)) is not None:
            return walk.finding(fault)
    return walk.ended(chain)


def counted(count: int) -> str:
    """Return a number of entries in words."""
    return amount(count, "entry", "entries")


def _body(text: str) -> dict[str, Any]:
    """Return the members of an entry; none where it is not JSON."""
    try:
        found = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return {}
    return found if isinstance(found, dict) else {}
