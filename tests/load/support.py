"""Files into configurations, for the tests of what files mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from reconciler.errors import ConfigurationInvalid, Problems, ReconcilerError
from reconciler.load.closed import Judgement
from reconciler.load.load import load
from reconciler.load.loaded import Loaded
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
    """What the files say; ``paths`` are all of the folder where there is no project.

    Chunk by chunk, again from the cache, and with every chunk composed: the outcome is the same, be it a configuration
    or problems.
    """
    write(folder, files)
    project = open_project(folder)
    given = paths if paths is not None else [] if project.has_file else [str(folder)]
    first, again, whole = (attempt(project, environment, given, thoroughly) for thoroughly in (False, False, True))
    for other in (first, again):
        assert type(other) is type(whole)
        if isinstance(whole, Loaded):
            assert_same(other, whole)
        elif isinstance(whole, ConfigurationInvalid):
            assert other.problems == whole.problems
            assert {*other.files} == {*whole.files}
            assert (other.warnings, other.unsure) == (whole.warnings, whole.unsure)
    if isinstance(whole, ReconcilerError):
        raise whole
    return whole


def attempt(
    project: Project, environment: str | None = None, paths: Sequence[str] = (), thoroughly: bool = False
) -> Any:
    """The configuration, or the error that loading ends with."""
    try:
        return load(project, environment, paths, thoroughly=thoroughly)
    except ReconcilerError as error:
        return error


def assert_same(quick: Loaded, whole: Loaded) -> None:
    """The same configuration, selection and places, however the chunks were read."""
    mine, theirs = quick.configuration, whole.configuration
    assert [*mine.resources] == [*theirs.resources]
    assert mine.digest == theirs.digest
    for address, resource in theirs.resources.items():
        found = mine.resources[address]
        assert (found, found.source, found.explicit) == (resource, resource.source, resource.explicit)
        assert quick.place_of(address, ("labels",)) == whole.place_of(address, ("labels",))
    assert replace(mine, resources={}) == replace(theirs, resources={})
    assert (quick.selected, quick.deletes) == (whole.selected, whole.deletes)
    assert found_of(quick.judgement) == found_of(whole.judgement)


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


def found_of(judgement: Judgement) -> tuple[object, ...]:
    """Return what was found, without the drafts that it was found in."""
    return judgement.errors, judgement.warnings, judgement.unsure, judgement.unserved, judgement.unpinned.tools
