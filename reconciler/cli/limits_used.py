"""What was used of the limits that a plan touches, read from the runtime's own database where the environment names it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.options import STORE_VARIABLE
from reconciler.errors import ReconcilerError
from reconciler.model.plan import Plan
from reconciler.store.url import Database, parse_database

if TYPE_CHECKING:
    from reconciler.runtime.ledger.entries import Level

Usage = Mapping[tuple[str, str], tuple[str, ...]]


def usage_of(plan: Plan, database: Database, root: Path, report: Callable[[str], None]) -> Usage:
    """Return sentences by tenant and uid, of limits and of what they are about. A store that can't be read is reported."""
    given = os.environ.get(STORE_VARIABLE)
    touched = {(change.address.tenant, change.uid) for change in plan.changes if change.uid}
    if not given or not touched:
        return {}
    return _read(parse_database(given, root), database, touched, report)


def _read(store: Database, database: Database, touched: Set[tuple[str, str]], report: Callable[[str], None]) -> Usage:
    import time

    from reconciler.access.snapshot import snapshot_of
    from reconciler.runtime.ledger.reading import used
    from reconciler.runtime.limits import by_limit
    from reconciler.store.known import read_limited

    found = defaultdict[tuple[str, str], list[str]](list)
    snapshot = snapshot_of(read_limited(database, {tenant for tenant, _ in touched}, "limit"))
    for name, tenant in snapshot.tenants.items():
        limits = [(uid, level) for uid, level in by_limit(tenant) if {(name, uid), (name, level.counter)} & touched]
        try:
            counts = used(store, name, [level for _, level in limits], time.time()) if limits else []
        except ReconcilerError as error:
            report(f"What was used of limits is not known: {error}.")
            return {}
        for (uid, level), n in zip(limits, counts, strict=True):
            for owner in {uid, level.counter} if n else ():
                found[name, owner].append(_sentence(level, n))
    return {key: (*sorted(sentences),) for key, sentences in found.items()}


def _sentence(level: Level, n: int) -> str:
    from reconciler.runtime.ledger.entries import amount_of

    if level.unit == "cost":
        return f"${amount_of(level.unit, n):,.2f} of ${amount_of(level.unit, level.cap):,.2f} used this {level.per}"
    what = f"{level.unit} used this {level.per}" if level.per else "slots used now"
    return f"{n:,} of {level.cap:,} {what}"
