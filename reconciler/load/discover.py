"""Finds a project's file and its manifests, and keeps everything inside the project's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.codes import Code
from reconciler.errors import Place, Problem, Problems
from reconciler.load.project import FILE_NAME, SERVE_FILE, Project
from reconciler.load.source import shown_name
from reconciler.model.settings import Include

SUFFIXES = (".yaml", ".yml")
LOCKS = "mcp.lock"
"""The name of a folder that holds no manifests: beside manifests, what was pinned of MCP servers."""
SETTINGS = frozenset({FILE_NAME, SERVE_FILE})
"""Names of files that are no manifests: the project's own, and that of whoever runs a server."""
MAX_STARS = 2  # how often `**` may stand in a glob: each one multiplies the ways through the folders


def find_project_file(start: Path) -> Path | None:
    """``reconciler.yaml`` beside or above ``start``."""
    folder = start if os.path.isdir(start) else start.parent
    if ".." in folder.parts:
        folder = real(folder)
    for candidate in (folder, *folder.parents):
        if os.path.isfile(candidate / FILE_NAME):
            return candidate / FILE_NAME
    return None


def real(path: Path | str) -> Path:
    """Return the path with its symbolic links followed, as far as they lead somewhere; never raises."""
    return Path(os.path.realpath(path))


def manifests_below(folder: Path, problems: Problems, skip: Iterable[Path] = ()) -> list[Path]:
    """Every YAML file in a folder; hidden ones, settings, locks, nested projects and ``skip`` are left out."""
    left_out = {real(path) for path in skip}
    found = []
    for here, folders, files in os.walk(folder, onerror=lambda error: _unreadable(error, problems)):
        base = Path(here)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name != LOCKS
            and not os.path.exists(base / name / FILE_NAME)
            and not (left_out and real(base / name) in left_out)
        )
        found += [
            base / name
            for name in sorted(files)
            if name.endswith(SUFFIXES) and not name.startswith(".") and name not in SETTINGS
        ]
    return found


def yaml_below(folder: Path, problems: Problems) -> list[Path]:
    """Every YAML file in a folder, also of projects inside of it; hidden ones and locks are left out."""
    found = []
    for here, folders, files in os.walk(folder, onerror=lambda error: _unreadable(error, problems)):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != LOCKS)
        found += [Path(here, name) for name in sorted(files) if name.endswith(SUFFIXES) and not name.startswith(".")]
    return found


def _unreadable(error: OSError, problems: Problems) -> None:
    name = shown_name(Path(os.fsdecode(error.filename)))
    problems.add(Problem("file-unreadable", f"can't read {name}: {error.strerror}", place=Place(name)))


def contained(paths: Iterable[Path], root: Path, problems: Problems) -> list[Path]:
    """Return the paths that stay inside ``root``; a problem for each that a symbolic link leads out."""
    kept, inside = [], real(root)
    folders: dict[str, bool] = {}
    for path in paths:
        folder = os.path.dirname(path)
        if folder not in folders:
            folders[folder] = real(folder).is_relative_to(inside)
        # in a folder that is inside, only a link leads out
        if folders[folder] if not os.path.islink(path) else real(path).is_relative_to(inside):
            kept.append(path)
        else:
            name = shown_name(path)
            problems.add(
                Problem(
                    "outside-project",
                    f"{name} leads out of the project's folder",
                    place=Place(name),
                    hint="put the file itself into the project; links to the outside are not followed",
                )
            )
    return kept


def project_manifests(project: Project, problems: Problems) -> list[Path]:
    """Return the files that ``include`` names (every YAML file without it); overlay folders are not part of the base."""
    skip = _overlay_folders(project)
    if not project.settings.include:
        found = manifests_below(project.root, problems, skip)
    else:
        matches = (
            path
            for index, entry in enumerate(project.settings.include)
            for path in _matches(project, index, entry, problems)
        )
        found = [path for path in dict.fromkeys(matches) if not any(real(path).is_relative_to(one) for one in skip)]
    # with --project the project's file may have any name, and files of rules stand where they like
    own = {real(project.source.path)} if project.source else set()
    own |= {real(project.root / name) for name in project.settings.linting.rules}
    names = {path.name for path in own}
    return contained(
        # another name leads there only by a link
        (path for path in found if not ((path.name in names or os.path.islink(path)) and real(path) in own)),
        project.root,
        problems,
    )


def _overlay_folders(project: Project) -> set[Path]:
    """Those of every environment; an overlay folder that is the project's own is a problem of its environment."""
    named = (folder for one in project.settings.environments.values() for folder in one.overlays)
    return {real(project.root / name) for name in named} - {real(project.root)}


def _matches(project: Project, index: int, entry: Include, problems: Problems) -> Iterator[Path]:
    pattern = entry.pattern
    where = ("include", index, "path") if entry.as_map else ("include", index)

    def refuse(code: Code, message: str, hint: str | None = None) -> None:
        problems.add(project.problem(Problem(code, f"`{pattern}` {message}", hint=hint), where))

    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        return refuse("outside-project", "leads out of the project's folder", "write a relative glob without `..`")
    pattern = re.sub(r"(?:\*\*/)+", "**/", pattern)
    if pattern.count("**") > MAX_STARS:
        return refuse("invalid-glob", f"has `**` more than {MAX_STARS} times")
    try:
        found = sorted(
            path
            for path in project.root.glob(pattern)
            if path.is_file() and path.name not in SETTINGS and path.parent.name != LOCKS
        )
    except (ValueError, OSError, NotImplementedError, IndexError) as error:
        return refuse("invalid-glob", f"is not a usable glob: {error}")
    if not found and not entry.optional:
        refuse("include-matches-nothing", "matches no file", "correct it, or say `{path: ..., optional: true}`")
    yield from found
    return None


def overlay_manifests(project: Project, environment: str, problems: Problems) -> list[list[Path]]:
    """Return the files of each overlay folder of an environment, in the folders' order."""
    groups, root, every = [], real(project.root), _overlay_folders(project)
    for index, name in enumerate(project.settings.environments[environment].overlays):
        where = ("environments", environment, "overlays", index)
        folder = real(project.root / name)

        def refuse(code: Code, message: str, hint: str | None = None, where: tuple[str | int, ...] = where) -> None:
            problems.add(project.problem(Problem(code, message, hint=hint), where))

        if not folder.is_relative_to(root):
            refuse("outside-project", f"`{name}` leads out of the project's folder")
        elif folder == root:
            refuse("invalid-overlay", "an overlay folder is not the project's own", "keep overlays in folders below it")
        elif not os.path.isdir(folder):
            refuse("missing-folder", f"the overlay folder `{name}` does not exist", "make it, or remove the entry")
        else:
            below = manifests_below(project.root / name, problems, every - {folder})
            groups.append(contained(below, project.root, problems))
    return groups
