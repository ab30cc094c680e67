"""Which deployment of a route is tried first, and which are left out for a while."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from reconciler.access.models import Way

Key = tuple[str, str, str]
"""Tenant, the integration's uid, and the model."""
COUNTING = frozenset({401, 403, 429, 529})
"""Statuses besides 5xx that say that a deployment is not well; the others say that a request is not."""
MOST = 10_000


def counts(status: int) -> bool:
    """Whether a status counts as a failure of the deployment."""
    return status in COUNTING or status >= 500


class _State(Struct):
    failures: int = 0
    until: float = -math.inf


class Cooldowns:
    """Failures of deployments in this process, one after the other; a success begins anew. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[Key, _State] = {}

    def failed(self, key: Key, failures: int, seconds: float) -> None:
        """Count a failure; after so many in a row, the deployment is left out for so many seconds."""
        if key not in self._states and len(self._states) >= MOST:
            self._states.clear()
        state = self._states.setdefault(key, _State())
        state.failures += 1
        if state.failures >= failures:
            state.until = self._clock() + seconds

    def succeeded(self, key: Key) -> None:
        """Forget the failures of a deployment."""
        self._states.pop(key, None)

    def left(self, key: Key) -> float:
        """Return for how many seconds more a deployment is left out; 0 for one that is not."""
        state = self._states.get(key)
        return 0.0 if state is None else max(0.0, state.until - self._clock())


class Ranked(NamedTuple):
    """A way, and for how many seconds more it is better left out."""

    way: Way
    wait: float


def key_of(way: Way) -> Key:
    """Return by what failures of a deployment are counted."""
    return way.target.tenant, way.target.connector.known.uid, way.model


def in_order(
    ways: Sequence[Way], strategy: str, affinity: str, chance: Callable[[], float] = random.random
) -> list[Way]:
    """Return the ways in the order in which they are tried.

    `priority` is the order of the route. `weighted` draws by weights; for an ``affinity`` the draw is the same each time, and a
    way that goes away moves its own share alone (weighted rendezvous hashing: Schindelhauer and Schomaker, SPAA 2005).
    """
    if strategy != "weighted" or len(ways) < 2:
        return [*ways]

    def score(way: Way) -> float:
        share = _hash(affinity, way) if affinity else chance()
        return -math.log(max(share, 1e-18)) / way.weight

    return sorted(ways, key=score)


def _hash(affinity: str, way: Way) -> float:
    """Return a number above 0 and below 1 that belongs to a session and a way."""
    text = "\0".join((affinity, way.target.connector.known.uid, way.model)).encode()
    return (int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) + 0.5) / 2**64


def well(ranked: Sequence[Ranked]) -> list[Way]:
    """Return the ways that are not left out; if all are, the one that recovers first. A single one is never left out."""
    found = [one.way for one in ranked if one.wait <= 0]
    return found or [min(ranked, key=lambda one: one.wait).way] if ranked else []


def affinity_of(route: Mapping[str, Any], caller_uid: str, session: str) -> str:
    """Return what a call keeps to one deployment by; "" where nothing does. Sessions of two callers are two."""
    kind = route.get("affinity", "none")
    if kind == "caller":
        return f"caller\0{caller_uid}"
    return f"session\0{caller_uid}\0{session}" if kind == "session" and session else ""
