"""The project that a command is about: the one that was named, or the one that its paths lie in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import ConfigurationInvalid, Problems, UsageError
from reconciler.load.discover import find_project_file
from reconciler.load.paths import STDIN
from reconciler.load.project import Project, read_project, without_file


def open_project(given: str | None, paths: Sequence[str]) -> tuple[Project, list[str]]:
    """Return the project of the file that was given, or of the paths, and the paths that it is to be read by.

    Raises UsageError, ConfigurationInvalid.
    """
    problems = Problems()
    file = project_file(given, paths)
    if file is None:
        own = list(paths) or ["."]
        return without_file(_common_folder(own)), own
    project = read_project(file.absolute(), problems)
    problems.raise_if_any()
    if project is None:
        raise ConfigurationInvalid(f"the project file {file} can't be used", code="project-file")
    return project, list(paths)


def project_file(given: str | None, paths: Sequence[str]) -> Path | None:
    """Return the project file that was given, or the one around the paths. Raises UsageError."""
    if given is None:
        return _find(paths)
    file = Path(given)
    if file.is_dir():
        file = file / "reconciler.yaml"
    if not file.is_file():
        raise UsageError(f"there is no project file {given}", code="no-such-project")
    return file


def _find(paths: Sequence[str]) -> Path | None:
    """Return the one project that all paths lie in; the working directory's without paths."""
    if STDIN in paths:
        return None
    starts = [Path(path).absolute() for path in paths] or [Path.cwd()]
    found = {find_project_file(start) for start in starts}
    if len(found) > 1:
        raise UsageError("these paths belong to different projects", hint="name the paths of one project at a time")
    return found.pop()


def _common_folder(paths: Sequence[str]) -> Path:
    folders = [
        Path.cwd() if p == STDIN else Path(p).absolute() if Path(p).is_dir() else Path(p).absolute().parent
        for p in paths
    ]
    return Path(os.path.commonpath(folders))
