"""The thorough way: every file read whole, all of it in one process, into a Configuration or into every problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import NamedTuple

from reconciler.errors import ConfigurationInvalid, Place, Problem, Problems
from reconciler.load.build import Count, build_resources, check_resources, check_secrets, quietly
from reconciler.load.closed import Elsewhere, Judgement, Parts, judged, nowhere, once, world_of
from reconciler.load.collect import Collector
from reconciler.load.discover import real
from reconciler.load.entries import Entries
from reconciler.load.loaded import Loaded, configured
from reconciler.load.paths import STDIN, files_of, files_of_project, held_by, is_whole, may_delete
from reconciler.load.project import Project
from reconciler.load.secret_values import without_doubles
from reconciler.load.selectors import World
from reconciler.load.source import Source, read_source, read_stdin, shown_name
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration

CAUSES = frozenset(
    {"not-a-number", "number-range", "unknown-tag", "invalid-tag", "undefined-alias", "recursive-alias"}
    | {"unknown-variable", "variable-syntax", "variable-not-scalar", "variable-in-key"}
)
"""A value with one of these is none: whatever else is said of its place follows from that."""


def load_thoroughly(
    project: Project,
    environment: str | None,
    paths: Sequence[str],
    name: str | None,
    count: Count,
    elsewhere: Elsewhere = nowhere,
) -> Loaded:
    """Raises ConfigurationInvalid with all problems of all files."""
    problems = Problems()
    groups, given = _read(project, environment, paths, problems)
    collector, entries, configuration = _gathered(project, environment, name, groups, Counting(problems, count))
    resources = configuration.resources
    check_resources(resources, collector, configuration.is_external, problems.found)
    check_secrets(resources, collector, project.secret_policy(environment), problems.found)
    parts = Parts.of([*resources.values()], [*map(str, _declared(collector))], entries.external)
    judgement = judged(project, configuration, parts, collector.drafts, elsewhere)
    problems.found += judgement.errors
    own = [project.source] if project.source else []
    sources = (*own, *(source for group in groups for source in group))
    _raise(problems, sources, judgement)
    selected = None
    if given is not None:
        selected = frozenset(a for a, draft in collector.drafts.items() if draft.files & given and a in resources)
    deletes = given is None and may_delete(project, paths)
    return Loaded(configuration, selected, deletes, collector.drafts, project, sources, judgement)


def world_thoroughly(project: Project, environment: str, name: str | None) -> World:
    """Return what an environment of the project declares, whatever else is wrong with it."""
    problems = Problems()
    groups, _ = _read(project, environment, (), problems)
    collector, entries, configuration = _gathered(project, environment, name, groups, Counting(problems, quietly))
    parts = Parts.of([*configuration.resources.values()], [*map(str, _declared(collector))], entries.external)
    return world_of(project, configuration, parts)


class Counting(NamedTuple):
    """Where a load reports: what is wrong, and how far it is."""

    problems: Problems
    progress: Count


def _gathered(
    project: Project, environment: str | None, name: str | None, groups: Sequence[Sequence[Source]], to: Counting
) -> tuple[Collector, Entries, Configuration]:
    """All that the files declare, and of it what is valid by itself."""
    found = to.problems.found
    variables = project.variables(environment)
    collector = Collector(variables, project.settings.default_tenant, found)
    total = sum(map(len, groups))
    for done, (number, source) in enumerate((n, one) for n, group in enumerate(groups) for one in group):
        to.progress(done, total, "files")
        collector.add(source, number)
    resources = build_resources(collector, project, variables, found, to.progress)
    entries = Entries(collector.entries, _declared(collector), found, project.placed)
    files = [source.path for group in groups for source in group]
    return collector, entries, configured(project, environment, name, MappingProxyType(resources), entries, files)


def _declared(collector: Collector) -> set[Address]:
    return {address for address, draft in collector.drafts.items() if draft.body is not None}


def _read(
    project: Project, environment: str | None, paths: Sequence[str], problems: Problems
) -> tuple[list[list[Source]], set[str] | None]:
    """The files in groups (base, then each overlay folder), and the paths of those that ``paths`` hold."""
    if not project.has_file:
        return [_read_paths(paths, problems)], None
    files = files_of_project(project, environment, problems)
    groups = [[source for path in group if (source := read_source(path, problems))] for group in files]
    if all(source.is_empty for source in groups[0]) and not problems.found:
        where = project.source.name if project.source else str(project.root)
        hint = "write one, e.g. with `reconciler init`"
        problems.add(Problem("no-manifest", f"the project {where} holds no manifest", place=Place(where), hint=hint))
    if is_whole(project, paths):
        return groups, None
    silent = {source.path for group in groups for source in group if source.is_empty}
    return groups, held_by(paths, silent, files, problems)


def _read_paths(paths: Sequence[str], problems: Problems) -> list[Source]:
    """The files that the paths name or hold, each once; a path that says nothing is an error, not an empty folder."""
    sources: dict[FilePath | str, Source] = {}
    for given in dict.fromkeys(paths):
        before = len(problems.found)
        if given == STDIN:
            sources[STDIN] = read_stdin(problems)
            held = [sources[STDIN]]
        else:
            held = []
            for path in files_of(FilePath(given), problems):
                key = real(path)
                if key not in sources and (source := read_source(path, problems)):
                    sources[key] = source
                held += [sources[key]] if key in sources else []
        if all(source.is_empty for source in held) and len(problems.found) == before:
            name = "<stdin>" if given == STDIN else shown_name(FilePath(given))
            problems.add(_no_manifest(name))
    return list(sources.values())


def _no_manifest(name: str) -> Problem:
    hint = "a manifest is a file *.yaml or *.yml that begins with `version: 1`"
    return Problem("no-manifest", f"{name} holds no manifest", place=Place(name), hint=hint)


def _raise(problems: Problems, sources: Sequence[Source], judgement: Judgement) -> None:
    """What is reported of all that was found: causes without their consequences, and each problem once."""
    by_name = {source.name: source for source in sources}
    causes = {problem.place for problem in problems.found if problem.code in CAUSES}

    def masked(problem: Problem) -> Problem:
        source = by_name.get(problem.place.file) if problem.place else None
        return source.masking(problem) if source else problem

    found = once(without_doubles(one for one in problems.found if one.code in CAUSES or one.place not in causes))
    problems.found[:] = map(masked, found)
    try:
        problems.raise_if_any(by_name)
    except ConfigurationInvalid as error:
        error.warnings = tuple(masked(one) for one in judgement.warnings if one.place not in causes)
        error.unsure = tuple((masked(one), is_error) for one, is_error in judgement.unsure)
        raise
