"""Read the files that a load is asked for into bytes, and report paths without a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

from msgspec import Struct

from reconciler.errors import Place, Problem, Problems
from reconciler.load.discover import real
from reconciler.load.paths import STDIN, files_of, files_of_project, held_by, is_whole
from reconciler.load.project import Project
from reconciler.load.source import STDIN_NAME, read_bytes, shown_name, stdin_bytes


class Input(Struct, frozen=True):
    """One file: its own path, and its bytes."""

    path: str
    data: bytes


class Inputs(Struct, frozen=True):
    """The files in groups: the base, then each overlay folder.

    ``found`` are the paths of a project's files, unreadable ones included; ``held`` the files of each path that was
    asked for outside of a project, as far as all of them could be read.
    """

    groups: list[list[Input]]
    found: list[list[FilePath]]
    held: dict[str, list[str]]


def read_inputs(project: Project, environment: str | None, paths: Sequence[str], problems: Problems) -> Inputs:
    """Read the project's files; without a project those that ``paths`` name or hold, each once."""
    if not project.has_file:
        return _read_paths(paths, problems)
    found = files_of_project(project, environment, problems)
    return Inputs([[one for path in group if (one := _read(path, problems))] for group in found], found, {})


def held_files(
    project: Project, paths: Sequence[str], inputs: Inputs, silent: set[str], problems: Problems
) -> set[str] | None:
    """Return the project's files that the paths hold, None for all; report paths that hold only ``silent`` files."""
    if not project.has_file:
        for path, held in inputs.held.items():
            if silent.issuperset(held):
                problems.add(_no_manifest(STDIN_NAME if path == STDIN else shown_name(FilePath(path))))
        return None
    if silent.issuperset(one.path for one in inputs.groups[0]) and not problems.found:
        where = project.source.name if project.source else str(project.root)
        hint = "write one, e.g. with `reconciler init`"
        problems.add(Problem("no-manifest", f"the project {where} holds no manifest", place=Place(where), hint=hint))
    return None if is_whole(project, paths) else held_by(paths, silent, inputs.found, problems)


def _read(path: FilePath, problems: Problems) -> Input | None:
    data = read_bytes(path, problems)
    return None if data is None else Input(str(path), data)


def _read_paths(paths: Sequence[str], problems: Problems) -> Inputs:
    inputs: dict[FilePath | str, Input] = {}
    held: dict[str, list[str]] = {}
    for asked in dict.fromkeys(paths):
        before = len(problems.found)
        if asked == STDIN:
            inputs[STDIN] = Input(STDIN_NAME, stdin_bytes())
            held[asked] = [STDIN_NAME]
            continue
        files = []
        for path in files_of(FilePath(asked), problems):
            key = real(path)
            if key not in inputs and (one := _read(path, problems)):
                inputs[key] = one
            files += [inputs[key].path] if key in inputs else []
        if len(problems.found) == before:
            held[asked] = files
    return Inputs([[*inputs.values()]], [], held)


def _no_manifest(name: str) -> Problem:
    hint = "a manifest is a file *.yaml or *.yml that begins with `version: 1`"
    return Problem("no-manifest", f"{name} holds no manifest", place=Place(name), hint=hint)
