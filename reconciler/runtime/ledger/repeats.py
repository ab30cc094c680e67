"""Calls that carry an Idempotency-Key, and what is known of these keys: turned into those that are new, and those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconciler.runtime.ledger.entries import Intent, Outcome, Repeated

REPEAT_SECONDS = 86_400.0
"""How long a key counts."""
_FOUND = (
    "SELECT r.tenant, r.caller, r.key, r.request, r.id, r.at, r.kept, i.ends, o.outcome FROM repeats r "
    "LEFT JOIN intents i ON i.id = {id} LEFT JOIN outcomes o ON o.id = {id}"
)
FOUND = {"sqlite": _FOUND.format(id="r.id"), "postgresql": _FOUND.format(id="NULLIF(r.id, '')::uuid")}
_NOTHING_DONE = frozenset({"failure", "timeout", "blocked"})
Key = tuple[str, str, str]
"""Tenant, the caller's uid, and what the caller's key was turned into."""


class RepeatRow(NamedTuple):
    """What is known of one key; ``ends`` is None where its evidence is gone."""

    tenant: str
    caller: str
    key: str
    request: str
    id: str
    at: float
    kept: bytes | None
    ends: float | None
    outcome: str | None


class Sorted(NamedTuple):
    """``fresh`` are to be judged; ``claimed`` are those of them that will have a key."""

    fresh: list[Intent]
    claimed: dict[str, Key]
    repeated: dict[str, Repeated]


def keys_given(intents: Iterable[Intent]) -> list[Key]:
    """In the one order in which all lock them."""
    return sorted({_key(one) for one in intents if one.repeat})


def sort_out(intents: Sequence[Intent], rows: Iterable[RepeatRow], now: float) -> Sorted:
    """Sort calls by their keys: a write whose outcome says that nothing was done may be tried again, any other is done once."""
    known = {(row.tenant, row.caller, row.key): row for row in rows if row.at >= now - REPEAT_SECONDS}
    fresh, claimed, repeated = [], {}, {}
    for intent in intents:
        key = _key(intent)
        row = known.get(key) if intent.repeat else None
        if row is not None and (found := _found(row, intent, now)):
            repeated[intent.id] = found
            continue
        fresh.append(intent)
        if intent.repeat:
            claimed[intent.id] = key
            # whoever comes with the same key in the same batch meets this one
            known[key] = RepeatRow(*key, intent.values, intent.id, now, None, now + intent.seconds, None)
    return Sorted(fresh, claimed, repeated)


def _found(row: RepeatRow, intent: Intent, now: float) -> Repeated | None:
    if row.request != intent.values:
        return Repeated("reused", row.id)
    if row.outcome in _NOTHING_DONE:
        return None
    if row.outcome == "success":
        return Repeated("done", row.id, None if row.kept is None else bytes(row.kept))
    if row.outcome is None and row.ends is not None and row.ends >= now:
        return Repeated("running", row.id)
    return Repeated("unknown", row.id)


def claim_rows(sorted_: Sorted, admitted: Iterable[Intent], now: float) -> list[tuple[str, str, str, str, str, float]]:
    """Of those that were admitted: whoever was refused may come again."""
    return [(*sorted_.claimed[one.id], one.values, one.id, now) for one in admitted if one.id in sorted_.claimed]


def kept_rows(outcomes: Iterable[Outcome]) -> list[tuple[bytes, str]]:
    """Return (response, id) of every call whose response is kept for repeats."""
    return [(one.kept, one.id) for one in outcomes if one.kept is not None]


def _key(intent: Intent) -> Key:
    return intent.tenant, intent.caller_uid or intent.caller, intent.repeat
