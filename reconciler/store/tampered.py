"""History held against the audit trail, which keeps a digest of every generation's changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select

from reconciler.errors import IntegrityFailed
from reconciler.model.body import canonical, digest_of_text
from reconciler.model.live import DatabaseState
from reconciler.store.audit import newest_of
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.tables import changes, generations, projects
from reconciler.store.url import Database

Told = list[str | None]


class Tampered(NamedTuple):
    """A generation whose changes are no longer those that were applied."""

    project: str
    generation: int


def changes_digest(told: Sequence[Told]) -> str:
    """Return what the audit trail keeps of an apply's changes: of each the address, the action, and the digests before and after."""
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
    """Raise IntegrityFailed where history was changed by hand: nobody should go back to what it says."""
    if found := read_tampered(database, project):
        raise IntegrityFailed(
            f"what history says of generation {found.generation} is not what was applied: somebody changed it by hand",
            code="history-damaged",
            hint="restore the table `changes` from a backup, or write the earlier state into the configuration",
        )


def tampered_in(connection: Connection, project: str | None = None) -> Iterator[Tampered]:
    """Yield the generations, of one project or of all, that the trail tells otherwise. Raises what ``read_tampered`` does.

    A generation is found in the trail by its project and its number: the id that its row names may have been changed as well.
    """
    trail = _trail_of(connection)
    g, c = generations.c, changes.c
    own = (projects.c.name, projects.c.horizon, g.number, g.apply_id)
    made = generations.join(projects, projects.c.name == g.project)
    made = made.outerjoin(changes, and_(c.project == g.project, c.generation == g.number))
    chosen = select(*own, c.tenant, c.kind, c.name, c.action, c.before, c.after).select_from(made)
    chosen = chosen if project is None else chosen.where(g.project == project)
    ordered = chosen.order_by(g.project, g.number, c.position)
    records: Any = connection.execution_options(yield_per=1000).execute(ordered)
    for name, of_project in groupby(records, itemgetter(0)):
        expected = 1
        for (horizon, number, apply_id), found in groupby(of_project, itemgetter(1, 2, 3)):
            pruned = min(_number(horizon), trail.pruned.get(name, 0)) if name in trail.known else _number(horizon)
            yield from (
                Tampered(name, gone)
                for gone in range(max(expected, pruned + 1), number)
                if (name, gone) in trail.digests
            )
            expected = number + 1
            kept = changes_digest([_told(*change[4:]) for change in found if change[4] is not None])
            if number > pruned and not trail.fits(name, number, apply_id, kept):
                yield Tampered(name, number)


class _Trail(NamedTuple):
    """What the trail tells of applies, by today's names of the projects.

    ``digests`` has each apply's digest of changes, by project and number: a project that was forgotten and came back has several.
    """

    digests: Mapping[tuple[str, int], Mapping[str, str]]
    pruned: Mapping[str, int]
    ids: Set[str]
    known: Set[str]

    def fits(self, project: str, number: int, apply_id: str, digest: str) -> bool:
        """Whether history's row is what was applied, or is from before there was a trail."""
        told = self.digests.get((project, number))
        return apply_id not in self.ids if told is None else told.get(apply_id) == digest


def _trail_of(connection: Connection) -> _Trail:
    digests: dict[tuple[str, int], dict[str, str]] = {}
    pruned: dict[str, int] = {}
    today: dict[str, str] = {}
    for entry in newest_of(connection, "apply", "project-rename"):
        if entry["event"] == "project-rename":
            old, new = str(entry.get("from")), str(entry.get("to"))
            today[old], _ = today.get(new, new), today.pop(new, None)
            continue
        name = str(entry.get("project"))
        name = today.get(name, name)
        place = name, _number(entry.get("generation"))
        digests.setdefault(place, {})[str(entry.get("apply_id"))] = str(entry.get("changes_digest"))
        pruned[name] = max(pruned.get(name, 0), _number(entry.get("history_pruned_up_to")))
    ids = {apply_id for told in digests.values() for apply_id in told}
    return _Trail(digests, pruned, ids, {*pruned})


def _number(value: Any) -> int:
    """Return the number, 0 for what is none: SQLite keeps any value in any column."""
    return value if type(value) is int else 0


def _told(tenant: str, kind: str, name: str, action: str, before: str | None, after: str | None) -> Told:
    return [
        f"{tenant}/{kind}/{name}",
        str(action),
        before and digest_of_text(str(before)),
        after and digest_of_text(str(after)),
    ]
