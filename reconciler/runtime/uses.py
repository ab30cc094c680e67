"""What a server's calls used, counted in memory and added to its store every few seconds."""

from __future__ import annotations

from collections import defaultdict

from reconciler.access.target import Target
from reconciler.runtime.ledger.use_counts import Counts, Key

_ERRORS = frozenset({"failure", "timeout", "unknown"})


class Uses:
    """One addition a call; the chain behind a target is looked at when counts are taken."""

    def __init__(self) -> None:
        self._counted: defaultdict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = defaultdict(lambda: [0, 0])

    def note(self, target: Target, outcome: str) -> None:
        """Count one call that ended."""
        found = self._counted[target.tenant, target.path]
        found[0] += 1
        found[1] += outcome in _ERRORS

    def take(self) -> dict[Key, Counts]:
        """Return what was counted by tenant and uid, and begin anew."""
        counted, self._counted = self._counted, defaultdict(lambda: [0, 0])
        found: defaultdict[Key, Counts] = defaultdict(lambda: Counts(0, 0))
        for (tenant, path), (calls, errors) in counted.items():
            for _, uid in path:
                before = found[tenant, uid]
                found[tenant, uid] = Counts(before.calls + calls, before.errors + errors)
        return dict(found)

    def put_back(self, counts: dict[Key, Counts]) -> None:
        """Count once more what could not be added to the store."""
        for (tenant, uid), one in counts.items():
            found = self._counted[tenant, (("", uid),)]
            found[0] += one.calls
            found[1] += one.errors
