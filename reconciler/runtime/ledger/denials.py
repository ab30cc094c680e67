"""Refusals that wait to be written: one by one up to a point, then those alike of a minute as one row and its count."""

from __future__ import annotations

import time
from collections import Counter, deque

from msgspec import Struct

from reconciler.runtime.ledger.entries import Denial, DenialCount

ONE_BY_ONE = 10
"""Refusals of one caller and target within a minute that have rows of their own; the next row counts the others."""
MOST_DIFFERENT = 100
MINUTE = 60.0
ANY = ("*", "many", "")
"""Target, reason and detail of what a caller tries beyond so many different ones within a minute."""
_Key = tuple[str, str, str, str, str]


class _Alike(Struct):
    """Refusals that are alike, since a moment in monotonic time: ``more`` of them are counted by the row ``counting``."""

    begun: float
    written: int = 0
    counting: str = ""
    more: int = 0


class Denials:
    """Every id that ``add`` returns is that of a row which is written next; how many it counts follows after the minute."""

    def __init__(self) -> None:
        self._rows: deque[Denial] = deque()
        self._counts: deque[DenialCount] = deque()
        self._alike: dict[_Key, _Alike] = {}
        self._different: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._rows) + len(self._counts)

    def add(self, denial: Denial) -> str:
        """Return the id of the row that tells of it."""
        own = (denial.tenant, denial.caller)
        key = (*own, denial.target, denial.reason, denial.detail)
        if key not in self._alike and self._different[own] >= MOST_DIFFERENT:
            key = (*own, *ANY)
            denial = denial._replace(target=ANY[0], reason=ANY[1], detail="", action="", policy="", chain=())
        found = self._alike.get(key)
        if found is None or time.monotonic() - found.begun >= MINUTE:
            self._end(key)
            found = self._alike[key] = _Alike(time.monotonic())
            self._different[own] += 1
        if found.counting:
            found.more += 1
            return found.counting
        found.written += 1
        if found.written > ONE_BY_ONE or key[2:] == ANY:
            found.counting = denial.id
        self._rows.append(denial)
        return denial.id

    def end_minutes(self, all_: bool = False) -> None:
        """Let the counts of minutes that are over be written; with ``all_`` every count."""
        now = time.monotonic()
        for key in [key for key, found in self._alike.items() if all_ or now - found.begun >= MINUTE]:
            self._end(key)

    def _end(self, key: _Key) -> None:
        found = self._alike.pop(key, None)
        if found is None:
            return
        own = key[:2]
        self._different[own] -= 1
        if not self._different[own]:
            del self._different[own]
        if found.more:
            self._counts.append(DenialCount(found.counting, found.more))

    def take(self, most: int) -> tuple[list[Denial], list[DenialCount]]:
        """Return what is written next. A count follows its row, never the other way round."""
        rows = [self._rows.popleft() for _ in range(min(most, len(self._rows)))]
        counts = [] if self._rows else [self._counts.popleft() for _ in range(min(most, len(self._counts)))]
        return rows, counts

    def put_back(self, rows: list[Denial], counts: list[DenialCount]) -> None:
        """Take back what could not be written."""
        self._rows.extendleft(reversed(rows))
        self._counts.extendleft(reversed(counts))
