"""What waits to be written together, as the rows that it becomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from reconciler.runtime.ledger.entries import PERIODS, Denial, DenialCount, Hold, Intent, Level, Outcome, Settlement
from reconciler.runtime.ledger.judge import JudgedBatch
from reconciler.runtime.ledger.usage_rows import UsageRow


class Batch(NamedTuple):
    """Written in one transaction: all of it is durable, or nothing is. ``proof`` asks whether that can be done at all.

    ``holds`` are what later tries of calls reserve, ``settled`` what tries were billed, and ``usage`` what calls used.
    """

    intents: Sequence[Intent] = ()
    outcomes: Sequence[Outcome] = ()
    denials: Sequence[Denial] = ()
    counts: Sequence[DenialCount] = ()
    proof: bool = False
    holds: Sequence[Hold] = ()
    settled: Sequence[Settlement] = ()
    usage: Sequence[UsageRow] = ()

    @property
    def reserves(self) -> bool:
        """Whether any try asks for something."""
        return bool(self.holds) or any(one.hold is not None for one in self.intents)


class StoreChanged(Exception):
    """The store is not the one that this server opened: whatever it lets through would have its evidence elsewhere."""


PROOF = ("", "", "proof")
"""Tenant, target and id of the slot that a proof takes: it is over at once, and belongs to nobody."""
IDENTITY = "SELECT value FROM settings WHERE name = 'values_key'"
"""What tells a store from another one of the same name: it is drawn when the store is made."""


NO_OUTCOME = "id, at, outcome, size, duration_ms, code, output_hash"
NO_OUTCOME_VALUES = "'unknown', 0, 0, 'no-outcome', ''"
"""What a sweep writes of a call that nobody ended."""


UidOf = Callable[[str, str], str | None]
"""From a tenant and `kind/name` to the uid of what has this name."""
BY_NAME = "SELECT tenant, target, unit, period, n FROM counters WHERE target LIKE '%/%'"
"""Counters of a store as it was: a uid has no slash."""


def by_uid(tenant: str, target: str, uid_of: UidOf) -> str | None:
    """Return the counter that takes the place of one by name; None where nothing has the name."""
    name, rate, _ = target.partition("#rate")
    uid = uid_of(tenant, name)
    return uid and f"{uid}{rate}"


class Space(NamedTuple):
    """In bytes; ``free`` is what is left where the store lies, None where nobody here can know."""

    used: int
    free: int | None = None


class Backend(Protocol):
    """A store of one sort."""

    async def flush(self, batch: Batch) -> JudgedBatch:
        """Judges the intents by the limits and writes everything.

        Raises StoreChanged, and whatever the database says; then nothing is written.
        """
        ...

    async def sweep(self, grace: float, keep_seconds: float) -> int:
        """Record ``unknown`` for calls without an outcome ``grace`` seconds after they should have ended; return how many.

        Removes what is older than ``keep_seconds``, and counters of windows that are over.
        """
        ...

    async def used(self, levels: Sequence[Level]) -> list[int]:
        """Return what is used of each in the window of now; nothing is locked."""
        ...

    async def identify(self, value: str) -> str:
        """Return what the store is known by, which is ``value`` for a new one. From then on no other store is written to."""
        ...

    async def count_by_uid(self, uid_of: UidOf) -> None:
        """Rename the counters of a store that counted by names; those of names that nothing has are removed."""
        ...

    async def space(self) -> Space:
        """Return what the store takes up."""
        ...

    async def close(self) -> None: ...


def old_windows(now: float) -> tuple[str, str]:
    """Windows of at most an hour that begin before the first are over; those of days and months before the second."""
    short, long = (time.strftime(PERIODS["second"], time.gmtime(now - ago)) for ago in (7200, 40 * 86400))
    return short, long


OLD_WINDOWS = "period <> '' AND (period < {long} OR (length(period) >= 13 AND period < {short}))"


def slot_rows(judged: JudgedBatch, now: float, grace: float = 5.0) -> list[tuple[Any, ...]]:
    """Return the rows of slots; each ends by itself a little after its call, or its try, has to."""
    admitted: list[Intent | Hold] = [*judged.admitted, *judged.held]
    return [
        (level.tenant, level.counts, one.id, now + one.seconds + grace)
        for one in admitted
        for level in one.levels
        if not level.per
    ]
