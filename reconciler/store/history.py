"""Reads generations and their changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, text

from reconciler.model.address import Address
from reconciler.model.history import Generation, History, PastChange
from reconciler.model.live import DatabaseState
from reconciler.model.plan import Change
from reconciler.store.connect import exists, reading
from reconciler.store.rows import at_addresses, paths_from_json, read_mask_key
from reconciler.store.schema import state_of
from reconciler.store.url import Database

CHANGE_COLUMNS = (
    "generation, position, tenant, kind, name, action, previous, uid, before, after, cause, explicit, source, "
    "spec_version, sources"
)
_AT = {"sqlite": "at", "postgresql": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"}


def read_history(database: Database, project: str, upto: int | None = None) -> History:
    """All generations of a project, and the changes of those up to ``upto`` (None: of all)."""
    if not exists(database):
        return History()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return History()
        horizon = connection.execute(text("SELECT horizon FROM projects WHERE name = :name"), {"name": project})
        return History(
            _generations(connection, project),
            _changes(connection, project, upto),
            horizon.scalar_one_or_none() or 0,
            read_mask_key(connection),
        )


def read_past(database: Database, project: str, changes: Sequence[Change]) -> History:
    """Read all generations of a project, and what they did to the resources that ``changes`` touch."""
    if not exists(database):
        return History()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return History()
        generations = _generations(connection, project)
        if not generations or not changes:
            return History(generations)
        where, parameters = at_addresses(connection, (change.address for change in changes))
        lives = f"SELECT r.tenant, r.uid FROM resources r WHERE {where}"
        sql = (
            f"SELECT {CHANGE_COLUMNS} FROM changes r WHERE r.project = :project AND ({where} "
            f"OR (r.tenant, r.uid) IN ({lives})) ORDER BY r.generation, r.position"
        )
        records = connection.execute(text(sql), {"project": project, **parameters})
        return History(generations, tuple(map(change_of, records)))


class Commits(NamedTuple):
    """The commits that a project's configurations came from: the last one ("" for none), and each generation's."""

    last: str = ""
    applied: tuple[tuple[int, str], ...] = ()

    def generation_of(self, commit: str) -> int | None:
        """The latest generation that came from a commit; None for a commit that was never applied."""
        return next((number for number, one in reversed(self.applied) if one == commit), None)


def read_commits(database: Database, project: str) -> Commits:
    if not exists(database):
        return Commits()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return Commits()
        last = connection.execute(text("SELECT git_commit FROM projects WHERE name = :name"), {"name": project})
        sql = "SELECT number, git_commit FROM generations WHERE project = :name AND git_commit IS NOT NULL ORDER BY number"
        applied = connection.execute(text(sql), {"name": project})
        return Commits(last.scalar_one_or_none() or "", tuple((number, commit) for number, commit in applied))


def _generations(connection: Connection, project: str) -> tuple[Generation, ...]:
    sql = (
        f"SELECT number, apply_id, operation, actor, {_AT[connection.dialect.name]}, environment, git_commit, git_dirty, "
        "tool_version, added, changed, destroyed FROM generations WHERE project = :project ORDER BY number"
    )
    records = connection.execute(text(sql), {"project": project})
    return tuple(Generation(*tuple(record)) for record in records)


def _changes(connection: Connection, project: str, upto: int | None) -> tuple[PastChange, ...]:
    sql = f"SELECT {CHANGE_COLUMNS} FROM changes WHERE project = :project AND generation <= :upto ORDER BY generation, position"
    records = connection.execute(text(sql), {"project": project, "upto": 2**62 if upto is None else upto})
    return tuple(change_of(record) for record in records)


def change_of(record: Any) -> PastChange:
    generation, position, tenant, kind, name, action, previous, uid, before, after, cause, *more = record
    explicit, source, spec_version, sources = more
    return PastChange(
        generation,
        position,
        Address(tenant, kind, name),
        action,
        Address.parse(previous) if previous else None,
        uid,
        orjson.loads(before) if before is not None else None,
        orjson.loads(after) if after is not None else None,
        cause,
        paths_from_json(explicit) if explicit else frozenset(),
        source,
        spec_version,
        tuple((tuple(path), place) for path, place in orjson.loads(sources)) if sources else (),
    )


def read_let_go(database: Database) -> frozenset[str]:
    """The uids that some project forgot on purpose: rows that nobody owns, and that is as it should be."""
    if not exists(database):
        return frozenset()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return frozenset()
        return frozenset(
            connection.execute(text("SELECT uid FROM changes WHERE action = 'forget' AND after IS NOT NULL")).scalars()
        )
