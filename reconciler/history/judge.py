"""The verdict on a database's audit trail: its chain, and what other tables know of writes that it should hold."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from reconciler.history.verify import Checkpoint, TrailFinding, verify
from reconciler.model.live import DatabaseState
from reconciler.store.audit import read_chain
from reconciler.store.connect import exists, reading
from reconciler.store.elsewhere import unknown_to_trail
from reconciler.store.schema import state_of
from reconciler.store.url import Database
from reconciler.store.verifying import Connection


def judge(
    connection: Connection, keys: Mapping[str, bytes], checkpoint: Checkpoint | None, expects_key: bool | None = None
) -> TrailFinding:
    """Recompute the trail; where it holds, look for writes of other tables that it has no entry of."""
    found = verify(read_chain(connection), keys, checkpoint, expects_key)
    cut = next(unknown_to_trail(connection), None) if found.entry is None else None
    return (
        found
        if cut is None
        else replace(found, entry=found.entries + 1, reason=f"the tail was cut: {cut}", unproven="")
    )


def judged(
    database: Database, keys: Mapping[str, bytes], checkpoint: Checkpoint | None, expects_key: bool | None = None
) -> TrailFinding | None:
    """Return the verdict on a database's trail; None where there is no database of ours yet."""
    if not exists(database):
        return None
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return None
        return judge(connection, keys, checkpoint, expects_key)
