"""The thorough way: every file read whole, all of it in one process, into a Configuration or into every problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from types import MappingProxyType

from reconciler.errors import Place, Problem, Problems
from reconciler.load.build import Count, build_resources, check_resources, check_secrets
from reconciler.load.closed import Parts, judged, once
from reconciler.load.collect import Collector
from reconciler.load.discover import real
from reconciler.load.entries import Entries
from reconciler.load.loaded import Loaded, configured
from reconciler.load.paths import STDIN, files_of, files_of_project, held_by, is_whole, may_delete
from reconciler.load.project import Project
from reconciler.load.source import Source, read_source, read_stdin, shown_name
from reconciler.model.address import Address

CAUSES = frozenset(
    {"not-a-number", "number-range", "unknown-tag", "invalid-tag", "undefined-alias", "recursive-alias"}
    | {"unknown-variable", "variable-syntax", "variable-not-scalar", "variable-in-key"}
)
"""A value with one of these is none: whatever else is said of its place follows from that."""


def load_thoroughly(
    project: Project, environment: str | None, paths: Sequence[str], name: str | None, count: Count
) -> Loaded:
    """Raises ConfigurationInvalid with all problems of all files."""
    problems = Problems()
    groups, given = _read(project, environment, paths, problems)
    settings = project.settings
    variables = project.variables(environment)
    collector = Collector(variables, settings.default_tenant, problems.found)
    total = sum(map(len, groups))
    for done, (number, source) in enumerate((n, one) for n, group in enumerate(groups) for one in group):
        count(done, total, "files")
        collector.add(source, number)
    resources = build_resources(collector, project, variables, problems.found, count)
    entries = Entries(collector.entries, _declared(collector), problems.found, project.placed)
    files = [source.path for group in groups for source in group]
    configuration = configured(project, environment, name, MappingProxyType(resources), entries, files)
    check_resources(resources, collector, configuration.is_external, problems.found)
    check_secrets(resources, collector, project.secret_policy(environment), problems.found)
    declared = [str(address) for address in _declared(collector)]
    judgement = judged(project, configuration, Parts.of([*resources.values()], declared), collector.drafts)
    problems.found += judgement.errors
    own = [project.source] if project.source else []
    sources = (*own, *(source for group in groups for source in group))
    _raise(problems, sources)
    selected = None
    if given is not None:
        selected = frozenset(a for a, draft in collector.drafts.items() if draft.files & given and a in resources)
    deletes = given is None and may_delete(project, paths)
    return Loaded(configuration, selected, deletes, collector.drafts, project, sources, judgement)


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


def _raise(problems: Problems, sources: Sequence[Source]) -> None:
    """What is reported of all that was found: causes without their consequences, and each problem once."""
    by_name = {source.name: source for source in sources}
    causes = {problem.place for problem in problems.found if problem.code in CAUSES}
    found = once(one for one in problems.found if one.code in CAUSES or one.place not in causes)
    problems.found[:] = [by_name[p.place.file].masking(p) if p.place and p.place.file in by_name else p for p in found]
    problems.raise_if_any(by_name)
