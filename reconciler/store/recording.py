"""One generation written into history, and the project's row moved to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, update

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.store.bulk import insert_many
from reconciler.store.rows import paths_to_json
from reconciler.store.tables import changes, generations, projects


class HistoryEntry(NamedTuple):
    """One change as history keeps it, at its place in its generation, from 1; bodies as canonical JSON."""

    position: int
    address: Address
    action: str
    uid: str
    before: str | None
    after: str | None
    cause: str
    previous: str | None = None
    explicit: tuple[Any, ...] = ()
    source: str | None = None
    spec_version: int = 1
    sources: tuple[tuple[Path, str], ...] = ()
    """Where each of the fields that changed was written."""


_COLUMNS = (
    *("project", "generation", "position", "tenant", "kind", "name", "uid", "action", "previous", "before", "after"),
    *("cause", "explicit", "source", "spec_version", "sources"),
)


def record_generation(connection: Connection, project: str, row: Mapping[str, Any]) -> None:
    """Write the generation, whose columns are those of ``row``."""
    connection.execute(insert(generations).values(project=project, **row))


def record_changes(connection: Connection, project: str, generation: int, entries: Sequence[HistoryEntry]) -> None:
    """Write the changes of a generation that is written already."""
    insert_many(connection, changes, _COLUMNS, [(project, generation, *_row(entry)) for entry in entries])


def move_project(connection: Connection, project: str, row: Mapping[str, Any]) -> None:
    """Move the project's row to a generation; where that came from no commit, the last one stays."""
    commit = func.coalesce(row["git_commit"], projects.c.git_commit)
    new = {"generation": row["number"], "git_commit": commit, "environment": row["environment"]}
    connection.execute(update(projects).values(new).where(projects.c.name == project))


def _row(entry: HistoryEntry) -> tuple[Any, ...]:
    sources = canonical([[list(path), place] for path, place in entry.sources]) if entry.sources else None
    return (
        *(entry.position, *entry.address, entry.uid, entry.action, entry.previous, entry.before, entry.after),
        *(entry.cause, paths_to_json(entry.explicit), entry.source, entry.spec_version, sources),
    )
