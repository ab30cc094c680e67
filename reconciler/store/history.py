"""Reads generations and their changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, or_, select, tuple_

from reconciler.errors import IntegrityFailed, Path
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.history import Generation, History, PastChange
from reconciler.model.live import DatabaseState
from reconciler.model.plan import Change
from reconciler.store.connect import exists, reading
from reconciler.store.dialect import shown
from reconciler.store.rows import at_addresses, paths_from_json, read_mask_key
from reconciler.store.schema import state_of
from reconciler.store.tables import changes, columns, generations, projects, resources
from reconciler.store.url import Database

CHANGE = (
    *("generation", "position", "tenant", "kind", "name", "action", "previous", "uid", "before", "after", "cause"),
    *("explicit", "source", "spec_version", "sources"),
)
"""The columns of `changes` that ``change_of`` takes, in its order."""


def read_history(database: Database, project: str, upto: int | None = None) -> History:
    """Read all generations of a project, and the changes of those up to ``upto`` (None: of all)."""
    if not exists(database):
        return History()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return History()
        horizon = connection.execute(select(projects.c.horizon).where(projects.c.name == project))
        return History(
            _generations(connection, project),
            _changes(connection, project, upto),
            horizon.scalar_one_or_none() or 0,
            read_mask_key(connection),
        )


def read_past(database: Database, project: str, changed: Sequence[Change]) -> History:
    """Read all generations of a project, and what they did to the resources that ``changed`` touches."""
    if not exists(database):
        return History()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return History()
        made = _generations(connection, project)
        if not made or not changed:
            return History(made)
        r, where = changes.alias("r"), at_addresses(connection, (change.address for change in changed))
        now = resources.alias("now")
        lives = select(now.c.tenant, now.c.uid).where(where(now))
        touched = or_(where(r), tuple_(r.c.tenant, r.c.uid).in_(lives))
        chosen = select(*columns(r, CHANGE)).where(r.c.project == project, touched)
        records = connection.execute(chosen.order_by(r.c.generation, r.c.position))
        return History(made, tuple(map(change_of, records)))


class Commits(NamedTuple):
    """The commit that a project's last configuration came from ("" for none), and how a plan's commit stands in history.

    ``generation`` is the latest one that came from the plan's commit; None for a commit that was never applied.
    """

    last: str = ""
    generation: int | None = None


def read_commits(database: Database, project: str, commit: str) -> Commits:
    """Return the last commit of a project, and the latest generation that came from ``commit``."""
    if not exists(database):
        return Commits()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return Commits()
        last = connection.execute(select(projects.c.git_commit).where(projects.c.name == project)).scalar_one_or_none()
        own = generations.c.project == project, generations.c.git_commit == commit
        return Commits(last or "", connection.execute(select(func.max(generations.c.number)).where(*own)).scalar_one())


def _generations(connection: Connection, project: str) -> tuple[Generation, ...]:
    g = generations.c
    chosen = select(
        *(g.number, g.apply_id, g.operation, g.actor, shown(g.at), g.environment, g.git_commit, g.git_dirty),
        *(g.tool_version, g.added, g.changed, g.destroyed),
    )
    records = connection.execute(chosen.where(g.project == project).order_by(g.number))
    return tuple(Generation(*tuple(record)) for record in records)


def _changes(connection: Connection, project: str, upto: int | None) -> tuple[PastChange, ...]:
    c = changes.c
    chosen = select(*columns(changes, CHANGE)).where(c.project == project).order_by(c.generation, c.position)
    records = connection.execute(chosen if upto is None else chosen.where(c.generation <= upto))
    return tuple(change_of(record) for record in records)


def change_of(record: Any) -> PastChange:
    """Build a change from a row of history. Raises IntegrityFailed (``history-damaged``) for a row that no apply wrote."""
    try:
        return _change(*record)
    except (TypeError, ValueError):
        raise IntegrityFailed(
            f"history can't be read: change {record[1]!s:.20} of generation {record[0]!s:.20} was not written by an apply",
            code="history-damaged",
            hint="restore the table `changes` from a backup; `reconciler db verify` names all that is damaged",
        ) from None


def _change(generation: int, position: int, tenant: str, kind: str, name: str, *more: Any) -> PastChange:
    """Check types too: SQLite keeps any value in any column. Raises TypeError or ValueError."""
    action, previous, uid, before, after, cause, explicit, source, spec_version, sources = more
    if any(type(value) is not str for value in (tenant, kind, name, action, uid, cause)):
        raise TypeError
    if any(type(value) is not int for value in (generation, position, spec_version)):
        raise TypeError
    return PastChange(
        generation,
        position,
        Address(tenant, kind, name),
        action,
        Address.parse(previous) if previous else None,
        uid,
        _body(before),
        _body(after),
        cause,
        paths_from_json(explicit) if explicit else frozenset(),
        source,
        spec_version,
        _sources(sources) if sources else (),
    )


def _sources(text: str) -> tuple[tuple[Path, str], ...]:
    """Return no source where somebody damaged the text, as ``paths_from_json`` does."""
    try:
        return tuple((tuple(path), str(source)) for path, source in orjson.loads(text))
    except (ValueError, TypeError):
        return ()


def _body(text: str | None) -> Body | None:
    if text is None:
        return None
    body: Body = orjson.loads(text)
    if type(body) is not dict:
        raise TypeError
    return body


def read_let_go(database: Database) -> frozenset[str]:
    """Return the uids that some project forgot on purpose: rows that nobody should own."""
    if not exists(database):
        return frozenset()
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return frozenset()
        return frozenset(
            connection.execute(
                select(changes.c.uid).where(changes.c.action == "forget", changes.c.after.is_not(None))
            ).scalars()
        )
