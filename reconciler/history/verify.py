"""An audit trail recomputed from its first entry: whole, or the first entry that is not as it was written."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from msgspec import Struct

from reconciler.store.audit import GENESIS, Chain, entry_hash


class Finding(Struct, frozen=True):
    """``entry`` is the number of the first bad entry; None where the trail holds."""

    entry: int | None
    reason: str
    entries: int
    unkeyed: int
    last_hash: str


class Checkpoint(Struct, frozen=True):
    """An entry's number and hash as they were at some time, kept outside of the database."""

    seq: int
    hash: str


def verify(chain: Chain, keys: Mapping[str, bytes], checkpoint: Checkpoint | None = None) -> Finding:
    """Recomputes every hash. Without its key an entry can't be judged, and that is a finding too."""
    previous, count, unkeyed = GENESIS, 0, 0

    def bad(seq: int, reason: str) -> Finding:
        return Finding(seq, reason, count, unkeyed, previous)

    for entry in chain.entries:
        wanted = count + 1
        if entry.seq != wanted:
            return bad(wanted, f"entry {wanted} is missing")
        if entry.key_id is not None and entry.key_id not in keys:
            return bad(entry.seq, f"its key {entry.key_id!r} is not known here")
        key = keys[entry.key_id] if entry.key_id is not None else None
        if entry_hash(previous, entry.key_id, entry.body, key) != entry.hash:
            return bad(entry.seq, "it was changed, or what stands before it was")
        if _number(entry.body) != entry.seq:
            return bad(entry.seq, "its body names another number")
        count, previous = wanted, entry.hash
        unkeyed += entry.key_id is None
        if checkpoint is not None and checkpoint.seq == entry.seq and checkpoint.hash != entry.hash:
            return bad(entry.seq, "it is not the entry that the checkpoint saw: the trail was written anew")
    if checkpoint is not None and checkpoint.seq > count:
        return bad(count + 1, f"the tail was cut: the checkpoint saw entry {checkpoint.seq}")
    if chain.head.seq != count or chain.head.hash != previous:
        return bad(
            min(count, chain.head.seq) + 1, f"the head names entry {chain.head.seq}, and the last one is {count}"
        )
    return Finding(None, "", count, unkeyed, previous)


def _number(body: str) -> object:
    try:
        return orjson.loads(body).get("seq")
    except (orjson.JSONDecodeError, AttributeError):
        return None
