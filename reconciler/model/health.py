"""How well something answers: single checks, and the state that they add up to."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.body import Body
from reconciler.model.target import is_per_user

HEALTHY, DEGRADED, FAILING, UNKNOWN = "healthy", "degraded", "failing", "unknown"
HEALTHY_MS, DEGRADED_MS = 2000, 5000
"""Latencies in milliseconds up to which an answer is healthy, and degraded; what takes longer is failing."""
CHECKS_TO_TURN = 3
"""So many checks in a row have to be worse than the state before it gets worse."""
REFUSED = "it refuses the credential"
"""Begins the reason of a check whose other side is there, and takes the credential for no good."""
_BADNESS = {UNKNOWN: 0, HEALTHY: 0, DEGRADED: 1, FAILING: 2}


class Check(NamedTuple):
    """The result of one check; ``reason`` holds nothing of what the other side said."""

    state: str
    latency_ms: int | None
    reason: str


class Standing(NamedTuple):
    """The state of health that checks add up to.

    ``since`` and ``checked`` are seconds since 1970; ``worse`` counts the last checks, all of them worse than the state.
    """

    state: str
    since: float
    checked: float
    worse: int
    latency_ms: int | None
    reason: str

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at it again before it is used."""
        return self.state in {HEALTHY, UNKNOWN} and not self.worse


def by_latency(latency_ms: int) -> Check:
    """Judge an answer by how long it took."""
    if latency_ms > DEGRADED_MS:
        return Check(FAILING, latency_ms, "it is slow")
    if latency_ms > HEALTHY_MS:
        return Check(DEGRADED, latency_ms, "it is slow")
    return Check(HEALTHY, latency_ms, "it answers")


def after(before: Standing | None, check: Check, now: float) -> Standing:
    """Return the standing after a check: three in a row make it worse, a single one makes it better."""
    known = before or Standing(UNKNOWN, now, now, 0, None, "")
    worse = known.worse + 1 if _BADNESS[check.state] > _BADNESS[known.state] else 0
    is_turned = (worse == 0 and check.state != known.state) or worse >= CHECKS_TO_TURN
    state, since = (check.state, now) if is_turned else (known.state, known.since)
    return Standing(state, since, now, 0 if is_turned else worse, check.latency_ms, check.reason)


def unasked(body: Body) -> Check:
    """Return what a test reports of an integration or a connector of which nothing can be asked."""
    per_user = "its access tokens are made of its callers' own, so only their calls show how it is"
    return Check(UNKNOWN, None, per_user if is_per_user(body) else "there is nothing to ask")
