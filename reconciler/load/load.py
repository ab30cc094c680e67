"""``load``: the files of a project, or the paths that were given, turned into a Configuration; or into every problem."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath

from reconciler.errors import Path, Place, Problem, Problems, UsageError
from reconciler.kinds.wording import near
from reconciler.load.build import Count, build_resources, check_resources, check_secrets
from reconciler.load.collect import Collector
from reconciler.load.discover import contained, manifests_below, overlay_manifests, project_manifests, real
from reconciler.load.draft import Draft
from reconciler.load.entries import Entries
from reconciler.load.project import ExternalEntry, Project
from reconciler.load.source import Source, read_source, read_stdin, shown_name
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.live import frozen

DEFAULT_PROJECT = "default"
STDIN = "-"
CAUSES = frozenset(
    {"not-a-number", "number-range", "unknown-tag", "invalid-tag", "undefined-alias", "recursive-alias"}
    | {"unknown-variable", "variable-syntax", "variable-not-scalar", "variable-in-key"}
)
"""A value with one of these is none: whatever else is said of its place follows from that."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, which of its addresses the given paths hold (None: no paths were given), and where fields stand.

    ``sources`` are all files that were read, the project's own among them.
    """

    configuration: Configuration
    selected: frozenset[Address] | None
    deletes: bool
    drafts: Mapping[Address, Draft]
    sources: tuple[Source, ...] = ()

    def place_of(self, address: Address, path: Path) -> Place | None:
        """Where a field is written; the file's positions are composed when they are first asked for."""
        draft = self.drafts.get(address)
        return draft.place_of(path) if draft is not None else None


@contextmanager
def no_collector() -> Iterator[None]:
    """Python's cyclic collector walks everything again and again while much is built and nothing is dropped."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _uncounted(done: int, total: int, what: str) -> None:
    return None


def load(
    project: Project,
    environment: str | None,
    paths: Sequence[str] = (),
    name: str | None = None,
    count: Count = _uncounted,
) -> Loaded:
    """Raises ConfigurationInvalid with all problems of all files, UsageError for an unknown environment.

    With ``reconciler.yaml`` the whole project is loaded and ``paths`` select; without it ``paths`` are all there is.
    """
    with no_collector():
        return _load(project, environment, paths, name, count)


def _load(project: Project, environment: str | None, paths: Sequence[str], name: str | None, count: Count) -> Loaded:
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
    entries = Entries(collector.entries, _declared(collector), problems.found)
    configuration = Configuration(
        project=name or settings.project or DEFAULT_PROJECT,
        environment=environment,
        resources=frozen(resources),
        moves=tuple(entries.moves),
        removals=tuple(entries.removals),
        adoptions=tuple(entries.adoptions),
        external=frozenset(
            entries.external | {e.address if isinstance(e, ExternalEntry) else e for e in settings.external}
        ),
        ignore=project.ignore_rules(),
        guards=project.guards(),
        files=tuple(source.path for group in groups for source in group),
    )
    check_resources(resources, collector, configuration.is_external, problems.found)
    check_secrets(resources, collector, project.secret_policy(environment), problems.found)
    own = [project.source] if project.source else []
    sources = (*own, *(source for group in groups for source in group))
    _raise(problems, sources)
    selected, deletes = None, True
    if given is not None:
        selected = frozenset(a for a, draft in collector.drafts.items() if draft.files & given and a in resources)
        deletes = False
    elif not project.has_file and not all(os.path.isdir(path) for path in paths):
        deletes = False
    return Loaded(configuration, selected, deletes, collector.drafts, sources)


def _declared(collector: Collector) -> set[Address]:
    return {address for address, draft in collector.drafts.items() if draft.body is not None}


def _read(
    project: Project, environment: str | None, paths: Sequence[str], problems: Problems
) -> tuple[list[list[Source]], set[str] | None]:
    """The files in groups (base, then each overlay folder), and the paths of those that ``paths`` hold."""
    if "" in paths:
        raise UsageError("an empty text is no PATH", hint="is a variable of your shell not set?")
    if not project.has_file:
        return [_read_paths(paths, problems)], None
    if STDIN in paths:
        hint = "leave out PATH, or name files of the project"
        raise UsageError("`-` can't be read inside of a project", hint=hint)
    files = [project_manifests(project, problems)]
    if environment is not None:
        files += overlay_manifests(project, environment, problems)
    groups = [[source for path in group if (source := read_source(path, problems))] for group in files]
    if all(source.is_empty for source in groups[0]) and not problems.found:
        where = project.source.name if project.source else str(project.root)
        hint = "write one, e.g. with `reconciler init`"
        problems.add(Problem("no-manifest", f"the project {where} holds no manifest", place=Place(where), hint=hint))
    root = real(project.root)
    if all(os.path.isdir(path) and real(path) == root for path in paths):
        return groups, None
    return groups, _given(paths, [source for group in groups for source in group], files, problems)


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
            for path in _files_of(FilePath(given), problems):
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


def _files_of(path: FilePath, problems: Problems) -> list[FilePath]:
    if os.path.isdir(path):
        return contained(manifests_below(path, problems), path, problems)
    if not os.path.lexists(path):
        problems.add(no_such_path(path))
        return []
    return [path]


def no_such_path(path: FilePath) -> Problem:
    name, folder = shown_name(path), path.parent
    hint = None
    if os.path.isdir(folder) and os.access(folder, os.R_OK):
        hint = near(path.name, sorted(os.listdir(folder)))
    return Problem("no-such-path", f"{name} does not exist", place=Place(name), hint=hint)


def _given(paths: Sequence[str], sources: list[Source], files: list[list[FilePath]], problems: Problems) -> set[str]:
    """The project's files that the paths hold; a path that holds none, or none that says anything, is an error."""
    places = {str(file): real(file) for group in files for file in group}
    silent = {source.path for source in sources if source.is_empty}
    found: set[str] = set()
    for given in paths:
        path, wanted = FilePath(given), real(given)
        matching = {file for file, place in places.items() if place == wanted or place.is_relative_to(wanted)}
        if not os.path.lexists(path):
            problems.add(no_such_path(path))
        elif not matching - silent and not problems.found:
            name = shown_name(path)
            hint = "see `include` in reconciler.yaml, and --env for overlays"
            message = f"{name} holds no manifest of the project"
            problems.add(Problem("no-manifest", message, place=Place(name), hint=hint))
        found |= matching
    return found


def _raise(problems: Problems, sources: Sequence[Source]) -> None:
    """What is reported of all that was found: causes without their consequences, and each problem once.

    One document for many tenants would report each problem many times: for the first of them is enough.
    """
    by_name = {source.name: source for source in sources}
    causes = {problem.place for problem in problems.found if problem.code in CAUSES}
    seen: dict[object, Problem] = {}
    for problem in problems.found:
        if problem.place in causes and problem.code not in CAUSES:
            continue
        tenant = problem.address.partition("/")[0] if problem.address else ""
        any_tenant = re.compile(rf"(?<![a-z0-9-]){tenant}(?![a-z0-9-])" if tenant else r"(?!)")
        message, hint = (any_tenant.sub("${tenant}", text or "") for text in (problem.message, problem.hint))
        seen.setdefault((problem.place, problem.code, message, hint), problem)
    found = seen.values()
    problems.found[:] = [by_name[p.place.file].masking(p) if p.place and p.place.file in by_name else p for p in found]
    problems.raise_if_any(by_name)
