"""Paths of a command line turned into the files that they name or hold."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from pathlib import Path as FilePath

from reconciler.errors import Place, Problem, Problems, UsageError
from reconciler.kinds.nearest import near
from reconciler.load.discover import contained, manifests_below, overlay_manifests, project_manifests, real
from reconciler.load.project import Project
from reconciler.load.source import shown_name

STDIN = "-"


def check_paths(project: Project, paths: Sequence[str]) -> None:
    """Return raises UsageError for paths that can mean nothing."""
    if "" in paths:
        raise UsageError("an empty text is no PATH", hint="is a variable of your shell not set?")
    if project.has_file and STDIN in paths:
        hint = "leave out PATH, or name files of the project"
        raise UsageError("`-` can't be read inside of a project", hint=hint)


def files_of_project(project: Project, environment: str | None, problems: Problems) -> list[list[FilePath]]:
    """In groups: the base, then each overlay folder."""
    files = [project_manifests(project, problems)]
    return files + overlay_manifests(project, environment, problems) if environment is not None else files


def is_whole(project: Project, paths: Sequence[str]) -> bool:
    """Whether paths inside of a project select nothing: there are none, or they name its folder."""
    root = real(project.root)
    return all(os.path.isdir(path) and real(path) == root for path in paths)


def may_delete(project: Project, paths: Sequence[str]) -> bool:
    """Whether a path is a whole configuration, whose missing resources are deleted: a folder or a project, no single file."""
    return project.has_file or all(os.path.isdir(path) for path in paths)


def files_of(path: FilePath, problems: Problems) -> list[FilePath]:
    """Return the manifests at or below a path; add a problem where there is none."""
    if os.path.isdir(path):
        return contained(manifests_below(path, problems), path, problems)
    if not os.path.lexists(path):
        problems.add(no_such_path(path))
        return []
    return [path]


def no_such_path(path: FilePath) -> Problem:
    """Return the problem of a path that does not exist, with a near name as the hint."""
    name, folder = shown_name(path), path.parent
    hint = None
    if os.path.isdir(folder) and os.access(folder, os.R_OK):
        hint = near(path.name, sorted(os.listdir(folder)))
    return Problem("no-such-path", f"{name} does not exist", place=Place(name), hint=hint)


def held_by(paths: Sequence[str], silent: Set[str], files: list[list[FilePath]], problems: Problems) -> set[str]:
    """Return the project's files that the paths hold; a path that holds none but ``silent`` ones is an error."""
    places = {str(file): real(file) for group in files for file in group}
    found: set[str] = set()
    for given in paths:
        path, wanted = FilePath(given), real(given)
        matching = {file for file, place in places.items() if place == wanted or place.is_relative_to(wanted)}
        if not os.path.lexists(path):
            problems.add(no_such_path(path))
        elif not matching - silent and not problems.found:
            name = shown_name(path)
            hint = "see `include` in reconciler.yaml, and --env for overlays"
            message = f"{name} holds no manifest of the project"
            problems.add(Problem("no-manifest", message, place=Place(name), hint=hint))
        found |= matching
    return found
