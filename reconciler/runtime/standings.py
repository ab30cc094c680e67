"""What the sweep of any server found to fail, as this server last read it: other deployments of a route go first."""

from __future__ import annotations

from reconciler.access.target import Target
from reconciler.runtime.ledger.use_counts import Key

AGAIN_SECONDS = 60.0
"""In so many seconds the sweep looks again at what is failing."""


class Standings:
    """The failing integrations and connectors, by tenant and uid."""

    def __init__(self) -> None:
        self._failing: frozenset[Key] = frozenset()

    def take(self, failing: frozenset[Key]) -> None:
        """Replace what is known."""
        self._failing = failing

    def wait(self, target: Target) -> float:
        """Return for how many seconds a target is better left out; 0 for one that is not failing."""
        return AGAIN_SECONDS if (target.tenant, target.connector.known.uid) in self._failing else 0.0
