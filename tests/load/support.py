"""Files into configurations, for the tests of what files mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.errors import Problems, ReconcilerError
from reconciler.load.load import Loaded, load
from reconciler.load.project import FILE_NAME, Project, read_project, without_file

HEAD = "version: 1\ntenant: acme\n"
DSN = "vault://kv/acme/db#dsn"


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def open_project(folder: Path) -> Project:
    if not (folder / FILE_NAME).exists():
        return without_file(folder)
    problems = Problems()
    project = read_project(folder / FILE_NAME, problems)
    problems.raise_if_any()
    assert project is not None
    return project


def loaded(
    folder: Path, files: Mapping[str, str], environment: str | None = None, paths: Sequence[str] | None = None
) -> Loaded:
    """What the files say; ``paths`` are all of the folder where there is no project."""
    write(folder, files)
    project = open_project(folder)
    return load(project, environment, paths if paths is not None else [] if project.has_file else [str(folder)])


def bodies(found: Loaded) -> dict[str, Any]:
    """Every body by its address."""
    return {str(address): resource.body for address, resource in found.configuration.resources.items()}


def problems(
    folder: Path, files: Mapping[str, str], environment: str | None = None, paths: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """What is wrong with the files, as code and place."""
    try:
        loaded(folder, files, environment, paths)
    except ReconcilerError as error:
        return [(problem.code, str(problem.place)) for problem in error.problems]
    return []
