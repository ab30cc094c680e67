"""Accesses to stores of secrets outside of the database, counted for the audit trail: by process, reference and hour.

``encrypted://`` leaves an entry for each access, before the value is opened. A server may ask Vault for the same secret every
minute: of that, an hour leaves two entries at most, and their counts add up.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from reconciler.model.secret_ref import SecretRef

HOUR = 3600.0


class Accessed(NamedTuple):
    """How often one reference of a tenant was asked for since the entry before."""

    tenant: str
    reference: str
    times: int


class Accesses:
    """Counts in memory; whoever writes the audit trail takes what is due, and gives back what was not written."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._hours: dict[tuple[str, str], int] = {}
        """The hour in which each reference was last taken."""

    def count(self, tenant: str, reference: SecretRef) -> None:
        with self._lock:
            self._counts[tenant, str(reference)] += 1

    def take(self, everything: bool = False) -> list[Accessed]:
        """Return what is due: what was not taken yet in this hour, or all that was counted."""
        hour = int(self._clock() // HOUR)
        with self._lock:
            due = [one for one in sorted(self._counts) if everything or self._hours.get(one) != hour]
            self._hours = {one: at for one, at in self._hours.items() if at == hour} | dict.fromkeys(due, hour)
            return [Accessed(*one, self._counts.pop(one)) for one in due]

    def give_back(self, taken: list[Accessed]) -> None:
        """Count again what could not be written, to be due at once."""
        with self._lock:
            for tenant, reference, times in taken:
                self._counts[tenant, reference] += times
                self._hours.pop((tenant, reference), None)
