"""``load``: the files of a project, or the paths that were given, turned into a Configuration; or into every problem."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from reconciler.load.build import Count, quietly
from reconciler.load.loaded import Loaded
from reconciler.load.paths import check_paths
from reconciler.load.project import Project
from reconciler.load.quick import load_quickly, world_quickly
from reconciler.load.selectors import World
from reconciler.load.source import forget_files
from reconciler.load.thorough import load_thoroughly, world_thoroughly


@contextmanager
def no_collector() -> Iterator[None]:
    """Python's cyclic collector walks everything again and again while much is built and nothing is dropped."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        forget_files()
        if was_enabled:
            gc.enable()


def load(
    project: Project,
    environment: str | None,
    paths: Sequence[str] = (),
    name: str | None = None,
    count: Count = quietly,
    thoroughly: bool = False,
) -> Loaded:
    """Raises ConfigurationInvalid with all problems of all files, UsageError for an unknown environment.

    With ``reconciler.yaml`` the whole project is loaded and ``paths`` select; without it ``paths`` are all there is.
    There are two ways to the same Configuration. The quick one reads what changed, in several processes, and gives up
    where anything is wrong; the thorough one can say what. ``thoroughly`` is for who wants the files themselves.
    """
    check_paths(project, paths)
    elsewhere = partial(other_worlds, project, environment, name)
    with no_collector():
        found = None if thoroughly else load_quickly(project, environment, paths, name, count, elsewhere)
        return found or load_thoroughly(project, environment, paths, name, count, elsewhere)


def other_worlds(project: Project, environment: str | None, name: str | None = None) -> Iterator[tuple[str, World]]:
    """Yield what each other environment of the project declares; one is read when it is asked for, and once."""
    for other in project.settings.environments:
        if other == environment:
            continue
        if other not in project.worlds:
            found = world_quickly(project, other, name)
            project.worlds[other] = world_thoroughly(project, other, name) if found is None else found
        yield other, project.worlds[other]
