"""Under the lock: what the names and secrets of changes stand for before they are written."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.apply.decide import Locked
from reconciler.apply.references import Rows
from reconciler.kinds.facts import secret_kinds
from reconciler.model.plan import Change
from reconciler.planner.names import Names
from reconciler.planner.reach import looked_at
from reconciler.planner.sharing import NO_HOLDERS, holders_of, secrets_taken_up
from reconciler.store.transaction import Transaction


def names_of(writes: Sequence[Change], locked: Locked, transaction: Transaction) -> Names:
    """Read what the names in these changes lead to: live rows, and who holds each secret."""
    rows, holders = Rows(locked, transaction), NO_HOLDERS
    rows.fetch_all_below(looked_at(writes))
    if secrets := secrets_taken_up(writes):
        live = rows.fetch_of({tenant for tenant, _ in secrets}, secret_kinds())
        holders = holders_of(secrets, ((address, row.text) for address, row in live.items()))
    return Names(writes, rows, locked.applied.get, holders)
