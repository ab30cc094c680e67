"""Writes what was applied last: the record of each row, and the witness of its body."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.store import bulk
from reconciler.store.rows import paths_to_json


class Written(NamedTuple):
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

    written: Written
    explicit: Iterable[Path]
    generation: int
    moved_from: str | None = None
    source: str | None = None
    witness: str | None = None


WRITTEN = ("tenant text", "kind text", "name text", "uid text", "spec text", "spec_version int", "digest text")
_APPLIED = (*WRITTEN, "explicit text", "generation bigint", "moved_from text", "source text", "digest_of text")
"""Columns with their types."""
_WITNESS = "COALESCE(CAST({witness} AS text), md5(CAST(CAST({spec} AS text) AS jsonb)::text))"
"""PostgreSQL's witness of a body: the hash of what it makes of it."""


def names_of(columns: Sequence[str]) -> list[str]:
    return [column.split()[0] for column in columns]


def values_of(row: Written) -> tuple[Any, ...]:
    return (*row.address, row.uid, row.text, row.spec_version, row.digest)


def _applied_values(one: Remembered) -> tuple[Any, ...]:
    explicit = paths_to_json(one.explicit)
    return (*values_of(one.written), explicit, one.generation, one.moved_from, one.source, one.witness)


def remember(connection: Connection, project: str, applied: Sequence[Remembered], known: Container[Address]) -> None:
    """``known`` are the addresses of which something was applied before: only those need to be looked for."""
    own = names_of(_APPLIED)
    columns = ("project", *own)
    into = f"INSERT INTO applied ({', '.join(columns)})"
    instead = "ON CONFLICT (project, tenant, kind, name) DO UPDATE SET " + ", ".join(
        [*(f"{column} = excluded.{column}" for column in columns[4:]), "mac = NULL"]
    )
    if connection.dialect.name == "sqlite":
        rows = [(project, *_applied_values(one)[:-1], one.witness or one.written.digest) for one in applied]
        bulk.run_many(connection, f"{into} VALUES ({', '.join('?' * len(columns))}) {instead}", rows)
        return
    fresh = [one for one in applied if one.written.address not in known]
    if len(fresh) >= bulk.MANY:
        bulk.copied(connection, "applied", columns, ((project, *_applied_values(one)) for one in fresh))
        _witness(connection, project, fresh[0].generation)
        applied = [one for one in applied if one.written.address in known]
    if bulk.may_stage(connection, len(applied)):
        witness = _WITNESS.format(witness="digest_of", spec="spec")
        sql = f"{into} SELECT :project, {', '.join(own[:-1])}, {witness} FROM pg_temp.staged {instead}"
        bulk.staged(connection, _APPLIED, map(_applied_values, applied), sql, {"project": project})
    elif applied:
        witness = _WITNESS.format(witness=":digest_of", spec=":spec")
        connection.execute(
            text(f"{into} VALUES (:project, {', '.join(f':{name}' for name in own[:-1])}, {witness}) {instead}"),
            [dict(zip(columns, (project, *_applied_values(one)), strict=True)) for one in applied],
        )


def _witness(connection: Connection, project: str, generation: int) -> None:
    """PostgreSQL: the witnesses of what was copied into `applied` without one."""
    connection.execute(
        text(
            f"UPDATE applied SET digest_of = {_WITNESS.format(witness='NULL', spec='spec')} "
            "WHERE project = :project AND generation = :generation AND digest_of IS NULL"
        ),
        {"project": project, "generation": generation},
    )
