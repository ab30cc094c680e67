"""New resources as one set: staged once, then written into `resources`, `applied` and history by a statement each."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, literal, literal_column, select

from reconciler.store.bulk import stage, staging
from reconciler.store.dialect import is_sqlite, now, stored, witness
from reconciler.store.row_writes import drawn_numbers
from reconciler.store.tables import applied, changes, columns, resources


class Creation(NamedTuple):
    """A resource of which nothing was there before; ``position`` is its change's in history, from 1, ``explicit`` is JSON."""

    position: int
    tenant: str
    kind: str
    name: str
    uid: str
    spec: str
    spec_version: int
    digest: str
    explicit: str
    source: str | None
    cause: str


_STAGED = staging("creations", [(applied if name in applied.c else changes).c[name] for name in Creation._fields])
_RESOURCE = ("tenant", "kind", "name", "uid", "spec_version")
_APPLIED = (*_RESOURCE, "spec", "digest", "explicit", "source")
_CHANGE = (*_RESOURCE, "position", "explicit", "source", "cause")


def write(connection: Connection, project: str, actor: str, generation: int, creations: list[Creation]) -> None:
    """Stage the creations and write `resources` and `applied`; ``record`` writes their history."""
    stage(connection, _STAGED, creations)
    rows: dict[str, ColumnElement[Any]] = {
        **{name: _STAGED.c[name] for name in _RESOURCE},
        "spec": stored(_STAGED.c.spec),
        "project": literal(project),
        "created_by": literal(actor),
    }
    if is_sqlite(connection):  # its trigger leaves rows alone that have what it would give them; see migration 0006
        last = drawn_numbers(connection, len(creations)) - len(creations)
        rows |= {
            "changed_by": literal(actor),
            "changed_at": now(),
            "row_version": literal(last) + literal_column("rowid"),
        }
    connection.execute(insert(resources).from_select([*rows], select(*rows.values()).select_from(_STAGED)))
    records: dict[str, ColumnElement[Any]] = {
        **{name: _STAGED.c[name] for name in _APPLIED},
        "project": literal(project),
        "generation": literal(generation),
        "digest_of": func.coalesce(witness(_STAGED.c.spec), _STAGED.c.digest),
    }
    connection.execute(insert(applied).from_select([*records], select(*records.values())))


def record(connection: Connection, project: str, generation: int) -> None:
    """Write the changes that made the staged creations into history."""
    given: list[ColumnElement[Any]] = [literal(project), literal(generation), literal("create"), _STAGED.c.spec]
    names = ["project", "generation", "action", "after", *_CHANGE]
    connection.execute(insert(changes).from_select(names, select(*given, *columns(_STAGED, _CHANGE))))
