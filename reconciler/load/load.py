"""Load the files of a project, or those that paths name, into a Configuration; or report every problem of all files."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from reconciler.errors import Problem, Problems
from reconciler.load.build import Count, quietly
from reconciler.load.closed import Judgement, judged, world_of
from reconciler.load.faults import MAX_FOUND, is_full
from reconciler.load.gather import Request, gather
from reconciler.load.loaded import Loaded
from reconciler.load.paths import check_paths, may_delete
from reconciler.load.project import Project
from reconciler.load.report import raise_if_any
from reconciler.load.selectors import World
from reconciler.load.source import forget_files


@contextmanager
def no_collector() -> Iterator[None]:
    """Turn off Python's cyclic collector, which would walk everything again and again while much is built."""
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
    """Load what the paths select; raise ConfigurationInvalid with all problems, UsageError for an unknown environment.

    With ``reconciler.yaml`` the whole project is loaded and ``paths`` select; without it ``paths`` are all there is.
    Files are read in chunks, and only those with problems are composed; ``thoroughly`` composes all, which gives their
    sources too.
    """
    check_paths(project, paths)
    problems = Problems()
    with no_collector():
        found = gather(Request(project, environment, paths, name, count, thoroughly), problems)
        elsewhere = partial(other_worlds, project, environment, name)
        judgement = Judgement()
        if is_full(problems.found):
            problems.add(_no_others(problems.found[-1]))
        else:
            judgement = judged(project, found.configuration, found.parts, found.drafts, elsewhere)
        problems.found += judgement.errors
        sources = (*([project.source] if project.source else []), *found.sources)
        raise_if_any(problems, sources, judgement, found.configuration.files)
        selected = None if found.held is None else frozenset(found.drafts.declared_in(found.held))
        deletes = found.held is None and may_delete(project, paths)
        return Loaded(found.configuration, selected, deletes, found.drafts, project, sources, judgement)


def _no_others(last: Problem) -> Problem:
    message = f"{MAX_FOUND:,} problems were found, and no others were looked for"
    return Problem("more-problems", message, place=last.place)


def other_worlds(project: Project, environment: str | None, name: str | None = None) -> Iterator[tuple[str, World]]:
    """Yield what each other environment of the project declares, whatever is wrong with it; each is read once."""
    for other in project.settings.environments:
        if other == environment:
            continue
        if other not in project.worlds:
            found = gather(Request(project, other, (), name, quietly), Problems())
            project.worlds[other] = world_of(project, found.configuration, found.parts)
        yield other, project.worlds[other]
