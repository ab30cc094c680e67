"""Prunes a project's history: old changes go, but for those that still say what is managed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, or_, select, update

from reconciler.model.configuration import Retention
from reconciler.store.dialect import from_now
from reconciler.store.tables import changes, generations, projects, resources, same

_DAY = 86400


def prune(connection: Connection, project: str, retention: Retention, newest: int) -> int | None:
    """Prune in the transaction of an apply; return the new horizon, or None where nothing was to be pruned.

    Up to the horizon only the last change of each address that was managed then is kept, so that every later state can
    still be replayed, and the letting go of rows that nobody owns yet, so that drift does not take them for new ones.
    """
    limits = []
    if retention.generations is not None:
        limits.append(newest - retention.generations)
    if retention.days is not None:
        old = and_(generations.c.project == project, generations.c.at < from_now(-retention.days * _DAY))
        last = select(func.coalesce(func.max(generations.c.number), 0)).where(old)
        limits.append(connection.execute(last).scalar_one())
    if not limits:
        return None
    own = projects.c.name == project
    known = connection.execute(select(projects.c.horizon).where(own)).scalar_one()
    horizon = min(limits)
    if horizon <= known:
        return None
    past = and_(changes.c.project == project, changes.c.generation <= horizon)
    connection.execute(delete(changes).where(past, _needless(horizon)))
    connection.execute(update(projects).values(horizon=horizon).where(own))
    return horizon


def _needless(horizon: int) -> ColumnElement[bool]:
    """Return whether a change up to the horizon is not needed to replay later states, nor to know rows that nobody owns."""
    later, r = changes.alias("later"), resources.alias("r")
    let_go = and_(changes.c.action == "forget", changes.c.after.is_not(None))
    still_free = exists().where(same(r, changes, ("tenant", "uid")), r.c.project.is_(None))
    address = changes.c.tenant + "/" + changes.c.kind + "/" + changes.c.name
    superseded = exists().where(
        same(later, changes, ("project", "tenant", "kind")),
        later.c.generation <= horizon,
        later.c.generation > changes.c.generation,
        or_(later.c.name == changes.c.name, later.c.previous == address),
    )
    return case((let_go, ~still_free), else_=or_(changes.c.after.is_(None), superseded))
