"""Prunes a project's history: old changes go, but for those that still say what is managed."""

from __future__ import annotations

from sqlalchemy import Connection, text

from reconciler.model.configuration import Retention

_OLD = {
    "postgresql": "at < now() - make_interval(days => :days)",
    "sqlite": "at < strftime('%Y-%m-%dT%H:%M:%SZ','now','-' || :days || ' days')",
}
_PRUNE = """
DELETE FROM changes AS c WHERE c.project = :project AND c.generation <= :horizon AND CASE
  WHEN c.action = 'forget' AND c.after IS NOT NULL THEN NOT EXISTS (
    SELECT 1 FROM resources r WHERE r.tenant = c.tenant AND r.uid = c.uid AND r.project IS NULL)
  ELSE c.after IS NULL OR EXISTS (
    SELECT 1 FROM changes d WHERE d.project = c.project AND d.generation <= :horizon AND d.generation > c.generation
    AND d.tenant = c.tenant AND d.kind = c.kind
    AND (d.name = c.name OR d.previous = c.tenant || '/' || c.kind || '/' || c.name)) END
"""


def prune(connection: Connection, project: str, retention: Retention, newest: int) -> int | None:
    """Part of an apply's transaction. Returns the new horizon, or None where nothing was to be pruned.

    Up to the horizon only the last change of each address that was managed then is kept, so that every later state can
    still be replayed, and the letting go of rows that nobody owns yet, so that drift does not take them for new ones.
    """
    limits = []
    if retention.generations is not None:
        limits.append(newest - retention.generations)
    if retention.days is not None:
        old = f"SELECT COALESCE(max(number), 0) FROM generations WHERE project = :project AND {_OLD[connection.dialect.name]}"
        limits.append(connection.execute(text(old), {"project": project, "days": retention.days}).scalar_one())
    if not limits:
        return None
    known = connection.execute(text("SELECT horizon FROM projects WHERE name = :name"), {"name": project}).scalar_one()
    horizon = min(limits)
    if horizon <= known:
        return None
    connection.execute(text(_PRUNE), {"project": project, "horizon": horizon})
    connection.execute(
        text("UPDATE projects SET horizon = :horizon WHERE name = :name"), {"name": project, "horizon": horizon}
    )
    return horizon
