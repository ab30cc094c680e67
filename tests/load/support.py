"""Files into configurations, for the tests of what files mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from reconciler.errors import Problems, ReconcilerError
from reconciler.load.build import quietly
from reconciler.load.load import load, no_collector, other_worlds
from reconciler.load.loaded import Loaded
from reconciler.load.project import FILE_NAME, Project, read_project, without_file
from reconciler.load.quick import load_quickly

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
    """What the files say; ``paths`` are all of the folder where there is no project.

    By both ways, which have to agree: in what they give, in where it stands, and in whether they give anything.
    """
    write(folder, files)
    project = open_project(folder)
    given = paths if paths is not None else [] if project.has_file else [str(folder)]
    with no_collector():
        elsewhere = partial(other_worlds, project, environment)
        quick = load_quickly(project, environment, given, None, quietly, elsewhere)
        again = load_quickly(project, environment, given, None, quietly, elsewhere)  # from the cache
    whole = load(project, environment, given, thoroughly=True)
    for other in (quick, again):
        if other is not None:
            assert_same(other, whole)
    return whole


def assert_same(quick: Loaded, whole: Loaded) -> None:
    """The same configuration, selection and places, by either way."""
    mine, theirs = quick.configuration, whole.configuration
    assert [*mine.resources] == [*theirs.resources]
    assert mine.digest == theirs.digest
    for address, resource in theirs.resources.items():
        found = mine.resources[address]
        assert (found, found.source, found.explicit) == (resource, resource.source, resource.explicit)
        assert quick.place_of(address, ("labels",)) == whole.place_of(address, ("labels",))
    assert replace(mine, resources={}) == replace(theirs, resources={})
    assert (quick.selected, quick.deletes) == (whole.selected, whole.deletes)
    assert quick.judgement == whole.judgement


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
