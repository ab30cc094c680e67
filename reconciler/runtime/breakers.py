"""Breakers: what fails again and again is not called for a while. Local to a server, and fed by its own calls alone."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from math import ceil

from msgspec import Struct, field

from reconciler.access.resource import Resource
from reconciler.access.target import Target

FAILURES, WINDOW_SECONDS = 5, 10.0
"""So many failures within so many seconds open a breaker."""
FIRST_SECONDS, LONGEST_SECONDS, SPREAD = 10.0, 300.0, 0.2
"""From opening to the first try; each wait is twice the one before, give or take a fifth."""
_UNREACHED = frozenset({"unreachable", "connection-lost"})
Key = tuple[str, str, str]
"""Tenant, the connector's uid, and the target where the breaker is of its timeouts alone, else ""."""


class _Breaker(Struct):
    connector: Resource
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    open_until: float | None = None
    """When it is to be tried; None while it is closed."""
    wait: float = FIRST_SECONDS


class Breakers:
    """``clock`` is monotonic; ``spread`` returns a number of -1 to 1."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311 (no secret)
    ) -> None:
        self._clock, self._spread = clock, spread
        self._breakers: dict[Key, _Breaker] = {}
        self.opened: Counter[str] = Counter()
        """How often breakers of a tenant opened."""

    def note(self, target: Target, code: str, status: int | None) -> None:
        """Count a call that ended: connect failures and 5xx for the connector, timeouts for the target.

        Anything else counts nowhere: refusals of values or credentials, errors of tools, limits.
        """
        if code == "timeout":
            self._fail(target, target.name)
        elif code in _UNREACHED or (status is not None and status >= 500):
            self._fail(target, "")

    def retry_after(self, target: Target) -> int | None:
        """Return in how many seconds to call again, at least 1; None where nothing keeps a call from going out."""
        if not self._breakers:
            return None
        uid, now = target.connector.known.uid, self._clock()
        keys = ((target.tenant, uid, ""), (target.tenant, uid, target.name))
        ends = [one.open_until for key in keys if (one := self._breakers.get(key)) and one.open_until is not None]
        return max(1, ceil(max(ends) - now)) if ends else None

    def due(self) -> Iterator[tuple[Key, Resource]]:
        """Yield the open breakers that are to be tried now, with the connector that a check is about."""
        now = self._clock()
        for key, one in [*self._breakers.items()]:
            if one.open_until is not None and one.open_until <= now:
                yield key, one.connector
            elif one.open_until is None and now - one.failures[-1] > WINDOW_SECONDS:
                del self._breakers[key]

    def tried(self, key: Key, is_well: bool) -> None:
        """Close a breaker, or leave it open for twice as long."""
        one = self._breakers.get(key)
        if one is None:
            return
        if is_well:
            del self._breakers[key]
            return
        one.wait = min(LONGEST_SECONDS, 2 * one.wait)
        self._open(one)

    @property
    def open(self) -> Counter[str]:
        """How many breakers of each tenant are open."""
        return Counter(key[0] for key, one in [*self._breakers.items()] if one.open_until is not None)

    def _fail(self, target: Target, name: str) -> None:
        key, now = (target.tenant, target.connector.known.uid, name), self._clock()
        one = self._breakers.setdefault(key, _Breaker(target.connector))
        one.connector = target.connector
        one.failures.append(now)
        if one.open_until is None and len(one.failures) == FAILURES and now - one.failures[0] <= WINDOW_SECONDS:
            self.opened[target.tenant] += 1
            self._open(one)

    def _open(self, one: _Breaker) -> None:
        one.open_until = self._clock() + one.wait * (1 + SPREAD * self._spread())
