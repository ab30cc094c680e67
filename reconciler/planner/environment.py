"""Holds a plan and an apply to the environment that the project's row in the database names."""

from __future__ import annotations

from reconciler.errors import Refused
from reconciler.model.live import ProjectRow


def require_environment(row: ProjectRow | None, project: str, environment: str | None) -> None:
    """Raise Refused where the database belongs to another environment; a new project takes the one it comes with."""
    if row is not None and row.environment != environment:
        raise Refused(
            f"this database belongs to the environment {row.environment or '(none)'!r} of the project {project!r}, "
            f"and {environment or '(none)'!r} was asked for",
            code="wrong-environment",
            hint="name the right environment with --env, or the right database",
        )
