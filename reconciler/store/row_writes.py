"""Rows of `resources` and records of `applied` as an apply writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, literal, null, select, true, update

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.store import dialect
from reconciler.store.bulk import at, may_stage, run_many, run_staged, staging, value
from reconciler.store.dialect import is_sqlite, now, stored, witness
from reconciler.store.rows import paths_to_json
from reconciler.store.tables import ADDRESS, LIFE, applied, resources, row_counter, same


class WrittenRow(NamedTuple):
    """A row as it is to be: the whole body as canonical JSON, and its digest."""

    address: Address
    uid: str
    text: str
    digest: str
    spec_version: int


class Remembered(NamedTuple):
    """What `applied` is to say of a row: what was written, what of it somebody wrote down and where, and its past.

    ``witness`` is that of a row which stays as somebody wrote it; None where the row is written as it is remembered.
    """

    written: WrittenRow
    explicit: Iterable[Path]
    generation: int
    moved_from: str | None = None
    source: str | None = None
    witness: str | None = None


_ROW = (*LIFE, "spec", "spec_version")
_KEY = ("project", *ADDRESS)
_RECORD = (
    *_KEY,
    "uid",
    "spec",
    "spec_version",
    "digest",
    "explicit",
    "generation",
    "moved_from",
    "source",
    "digest_of",
)
_ROWS = staging("staged", [applied.c[name] for name in _ROW])
_RECORDS = staging("staged", [applied.c[name] for name in _RECORD])


def insert_rows(connection: Connection, project: str, actor: str, rows: Sequence[WrittenRow]) -> None:
    """Insert new resources; on SQLite with what its trigger gives to the rows of everybody else (migration 0006)."""
    if not rows:
        return
    names: tuple[str, ...] = (*_ROW, "project", "created_by")
    given: list[tuple[Any, ...]] = [(*_row(row), project, actor) for row in rows]
    values: dict[str, Any] = {name: value(resources.c[name]) for name in names}
    values["spec"] = stored(value(applied.c.spec))
    if is_sqlite(connection):
        first = drawn_numbers(connection, len(rows)) - len(rows) + 1
        names = (*names, "changed_by", "row_version")
        given = [(*row, actor, number) for number, row in enumerate(given, first)]
        values |= {name: value(resources.c[name]) for name in names[-2:]} | {"changed_at": now()}
    elif may_stage(connection, len(rows)):
        staged = {**{name: _ROWS.c[name] for name in _ROW}, "spec": stored(_ROWS.c.spec)}
        source = select(*staged.values(), literal(project), literal(actor)).select_from(_ROWS)
        run_staged(connection, _ROWS, [*map(_row, rows)], insert(resources).from_select([*names], source))
        return
    run_many(connection, insert(resources).values(values), names, given)


def update_rows(connection: Connection, project: str, rows: Sequence[WrittenRow]) -> None:
    """Give live resources new bodies, and the project as their owner."""
    if not is_sqlite(connection) and may_stage(connection, len(rows)):
        new = {"spec": stored(_ROWS.c.spec), "spec_version": _ROWS.c.spec_version, "project": project}
        statement = update(resources).values(new).where(same(resources, _ROWS, LIFE))
        run_staged(connection, _ROWS, [*map(_row, rows)], statement)
        return
    new = {"spec": stored(value(applied.c.spec)), **{n: value(resources.c[n]) for n in ("spec_version", "project")}}
    statement = update(resources).values(new).where(at(resources, LIFE))
    run_many(connection, statement, (*_ROW, "project"), [(*_row(row), project) for row in rows])


def remember(connection: Connection, project: str, records: Sequence[Remembered]) -> None:
    """Write what was applied, in place of what was applied before at the same addresses."""
    rows = [(project, *_record(one)) for one in records]
    if not is_sqlite(connection) and may_stage(connection, len(rows)):
        run_staged(connection, _RECORDS, rows, _upsert(connection, _RECORDS))
    else:
        run_many(connection, _upsert(connection, None), _RECORD, rows)


def _upsert(connection: Connection, staged: Any) -> Any:
    """Return the statement that writes a record, or those of a staged table.

    The witness is the one given; else the hash of the body as the database keeps it, which on SQLite is the digest.
    """
    source = {name: value(applied.c[name]) if staged is None else staged.c[name] for name in _RECORD}
    source["digest_of"] = func.coalesce(source["digest_of"], witness(source["spec"]), source["digest"])
    made = dialect.insert(connection, applied)
    # SQLite reads the ON of an INSERT from SELECT as that of a join, but behind a WHERE
    made = made.from_select([*source], select(*source.values()).where(true()))
    new = {name: made.excluded[name] for name in _RECORD if name not in _KEY}
    return made.on_conflict_do_update(index_elements=[*_KEY], set_={**new, "mac": null()})


def drawn_numbers(connection: Connection, count: int) -> int:
    """SQLite: draw so many ``row_version`` for rows that the trigger leaves alone, and return the last one."""
    connection.execute(update(row_counter).values(n=row_counter.c.n + count))
    return int(connection.execute(select(row_counter.c.n)).scalar_one())


def _row(row: WrittenRow) -> tuple[Any, ...]:
    return (*row.address, row.uid, row.text, row.spec_version)


def _record(one: Remembered) -> tuple[Any, ...]:
    row = one.written
    past = (paths_to_json(one.explicit), one.generation, one.moved_from, one.source, one.witness)
    return (*row.address, row.uid, row.text, row.spec_version, row.digest, *past)
