"""A project, or the paths on a command line, turned into the files whose layout is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.errors import Place, Problem, Problems
from reconciler.load.discover import (
    contained,
    find_project_file,
    overlay_manifests,
    project_manifests,
    real,
    yaml_below,
)
from reconciler.load.paths import no_such_path
from reconciler.load.project import Project
from reconciler.load.source import shown_name


def files_of_project(project: Project, problems: Problems) -> list[Path]:
    """Its own file, its manifests, and the overlays of every environment."""
    found = [Path(project.source.path)] if project.source else []
    found += project_manifests(project, problems)
    for environment in project.settings.environments:
        for group in overlay_manifests(project, environment, problems):
            found += group
    return _once(found)


def files_of_paths(paths: list[str], problems: Problems) -> list[Path]:
    """Return the files, and every YAML file of the folders. Links stay inside of the project, or of the folder without one."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not os.path.lexists(path):
            problems.add(no_such_path(path))
            continue
        is_folder = os.path.isdir(path)
        folder = path if is_folder else path.parent
        project = find_project_file(folder.absolute())
        before = len(problems.found)
        held = contained(
            yaml_below(path, problems) if is_folder else [path], project.parent if project else folder, problems
        )
        if not held and len(problems.found) == before:
            name = shown_name(path)
            problems.add(
                Problem("no-manifest", f"{name} holds no YAML file", place=Place(name), hint="name another folder")
            )
        found += held
    return _once(found)


def _once(paths: list[Path]) -> list[Path]:
    """Each file once, by the first of its names."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(real(path), path)
    return [*found.values()]
