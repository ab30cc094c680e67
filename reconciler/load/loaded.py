"""The result of loading: a Configuration, the addresses that were selected, and where fields are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from reconciler.errors import Path, Place, Problem
from reconciler.load.closed import Judgement
from reconciler.load.draft import Draft
from reconciler.load.entries import Entries
from reconciler.load.project import DEFAULT_PROJECT, Project
from reconciler.load.source import Source
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.resource import State


class Loaded(Struct, frozen=True):
    """A configuration, which of its addresses the given paths hold (None: no paths were given), and where fields stand.

    ``sources`` are all files that were read, the project's own among them, where they were asked for.
    """

    configuration: Configuration
    selected: frozenset[Address] | None
    deletes: bool
    drafts: Mapping[Address, Draft]
    project: Project
    sources: tuple[Source, ...] = ()
    judgement: Judgement = Judgement()
    """What was found of selectors that select nothing, and is no error here."""

    def locate(self, problem: Problem) -> Problem:
        """Return a problem of a resource with its place and its line."""
        draft = self.drafts.get(Address.parse(problem.address)) if problem.address else None
        return draft.locate(problem) if draft is not None else problem

    def place_of(self, address: Address, path: Path) -> Place | None:
        """Return where a field is written, the file named from the project's folder.

        The file's positions are composed when they are first asked for.
        """
        draft = self.drafts.get(address)
        return self.project.placed(*draft.place_of(path)) if draft is not None else None


def configured(
    project: Project,
    environment: str | None,
    name: str | None,
    resources: State,
    entries: Entries,
    files: Iterable[str],
) -> Configuration:
    """Return what the files want, with what the project's own file says."""
    settings = project.settings
    external = {one.address for one in settings.external}
    return Configuration(
        project=name or settings.project or DEFAULT_PROJECT,
        environment=environment,
        resources=resources,
        moves=tuple(entries.moves),
        removals=tuple(entries.removals),
        adoptions=tuple(entries.adoptions),
        external=frozenset({*external, *(str(address) for address, _ in entries.external)}),
        ignore=settings.ignored,
        guards=settings.guards,
        files=tuple(files),
    )
