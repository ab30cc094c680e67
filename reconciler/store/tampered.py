"""History held against the audit trail, which keeps a digest of every generation's changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, text

from reconciler.errors import IntegrityFailed
from reconciler.model.body import canonical, digest_of_text
from reconciler.model.live import DatabaseState
from reconciler.store.audit import newest_of
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.url import Database

Told = list[str | None]


class Tampered(NamedTuple):
    """A generation whose changes are no longer those that were applied."""

    project: str
    generation: int


def changes_digest(told: Sequence[Told]) -> str:
    """What the audit trail keeps of an apply's changes: of each the address, the action, and the digests before and after."""
    return sha256(canonical(told).encode()).hexdigest()


def read_tampered(database: Database, project: str | None = None) -> Tampered | None:
    """Return the first generation, of one project or of all, that the trail tells otherwise.

    What was pruned can't be judged, nor can a generation from before there was a trail. Raises IntegrityFailed for an entry
    of the trail that can't be read.
    """
    if not exists(database):
        return None
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return None
        return next(tampered_in(connection, project), None)


def require_untampered(database: Database, project: str) -> None:
    """Raises IntegrityFailed where history was changed by hand: nobody should go back to what it says."""
    if found := read_tampered(database, project):
        raise IntegrityFailed(
            f"what history says of generation {found.generation} is not what was applied: somebody changed it by hand",
            code="history-damaged",
            hint="restore the table `changes` from a backup, or write the earlier state into the configuration",
        )


def tampered_in(connection: Connection, project: str | None = None) -> Iterator[Tampered]:
    """Yield the generations, of one project or of all, that the trail tells otherwise. Raises what ``read_tampered`` does."""
    entries = {entry.get("apply_id"): entry.get("changes_digest") for entry in newest_of(connection, "apply")}
    sql = (
        "SELECT g.project, g.number, g.apply_id, c.tenant, c.kind, c.name, c.action, c.before, c.after "
        "FROM generations g JOIN projects p ON p.name = g.project "
        "LEFT JOIN changes c ON c.project = g.project AND c.generation = g.number "
        "WHERE g.number > p.horizon AND (CAST(:project AS text) IS NULL OR g.project = :project) "
        "ORDER BY g.project, g.number, c.position"
    )
    records = connection.execution_options(yield_per=1000).execute(text(sql), {"project": project})
    for (name, number, apply_id), changes in groupby(records, itemgetter(0, 1, 2)):
        kept = changes_digest([_told(*change[3:]) for change in changes if change[3] is not None])
        if apply_id in entries and entries[apply_id] != kept:
            yield Tampered(name, number)


def _told(tenant: str, kind: str, name: str, action: str, before: str | None, after: str | None) -> Told:
    return [f"{tenant}/{kind}/{name}", action, before and digest_of_text(before), after and digest_of_text(after)]
