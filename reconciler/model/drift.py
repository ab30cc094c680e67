"""What somebody else did since the last apply, as a value."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from reconciler.model.plan import LeftOut, OutsideChange

OPS = ("created", "changed", "deleted")
"""The sorts of findings of what somebody did to a row."""
FORGED = "forged"
"""A record of what was applied whose MAC does not fit: only where a key is known."""


class Drift(Struct, frozen=True):
    """The findings in key order; ``clean`` counts the resources that are as they were applied."""

    project: str
    environment: str | None
    generation: int
    findings: tuple[OutsideChange, ...]
    clean: int
    selected: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def totals(self) -> dict[str, int]:
        """Return findings of each sort, none left out."""
        found = Counter(finding.op for finding in self.findings)
        return {op: found[op] for op in OPS} | ({FORGED: found[FORGED]} if found[FORGED] else {})

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return findings per tenant, kind and sort (created, changed, deleted)."""
        counted = Counter((f.address.tenant, f.address.kind, f.op) for f in self.findings)
        found: dict[str, dict[str, dict[str, int]]] = {}
        for (tenant, kind, op), count in sorted(counted.items()):
            found.setdefault(tenant, {}).setdefault(kind, {})[op] = count
        return found
