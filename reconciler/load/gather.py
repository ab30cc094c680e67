"""Gather what the files declare into one configuration: extracts of chunks, and drafts of the chunks without one."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from reconciler.errors import Place, Problems
from reconciler.load.build import Count, Scene, check_resources, check_secrets
from reconciler.load.cache import EMPTY, pack_file, read_pack
from reconciler.load.catalogue import Catalogue, addresses
from reconciler.load.chunks import Chunk, chunks
from reconciler.load.closed import Parts, referred_in
from reconciler.load.compose import Composed, compose
from reconciler.load.draft import Entry
from reconciler.load.entries import Entries
from reconciler.load.extract import Extract
from reconciler.load.extracts import Extracts, extracts_of, keep
from reconciler.load.frame import Frame
from reconciler.load.inputs import read_inputs
from reconciler.load.loaded import configured
from reconciler.load.mcp_lock import Locks, read_locks
from reconciler.load.places import Drafts
from reconciler.load.project import Project
from reconciler.load.rulings import judge_open
from reconciler.load.selectors import offers_of, said_by, selecting_in
from reconciler.load.source import Source
from reconciler.load.unpinned import UnpinnedTool, unpinned_in
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.resource import Resource


class Request(NamedTuple):
    """What is to be loaded; ``thoroughly`` treats every chunk as one with problems.

    Without ``folds`` no lock is read into a connector: for who writes locks.
    """

    project: Project
    environment: str | None
    paths: Sequence[str]
    name: str | None
    progress: Count
    thoroughly: bool = False
    folds: bool = True


class Gathered(NamedTuple):
    """A configuration whose selectors are not judged yet.

    ``held`` are the files that the paths name (None: all), ``sources`` the files and chunks that were composed, ``locks``
    those beside the files, folded or not.
    """

    configuration: Configuration
    parts: Parts
    drafts: Drafts
    held: set[str] | None
    sources: list[Source]
    locks: Locks


def gather(request: Request, problems: Problems) -> Gathered:
    """Read all files, and add every problem but those of selectors."""
    project, environment, paths, name, count, thoroughly, folds = request
    inputs = read_inputs(project, environment, paths, problems)
    files = [one.path for group in inputs.groups for one in group]
    locks = read_locks(project.root if project.has_file else None, files, project.overlays(environment), problems)
    frame = Frame(
        project, project.variables(environment), project.secret_policy(environment), locks=locks if folds else Locks()
    )
    file, pack, extracts = None, EMPTY, Extracts()
    if thoroughly:
        pieces = [Chunk(one.path, one.data) for one in inputs.groups[0]]
    else:
        settings = project.source.data if project.source else b""
        file = pack_file(str(project.root), settings, environment)
        pack = read_pack(file)
        pieces = [
            chunk for one in inputs.groups[0] for chunk in chunks(one.path, one.data, frame.locks.digest(one.path))
        ]
        extracts = extracts_of(pieces, pack, frame, count)
    composed = compose(request.paths, inputs, pieces, extracts, frame, problems)
    collector, resources = composed.collector, composed.resources
    plain = [extracts[piece.key] for piece in composed.plain]
    names = addresses(chain.from_iterable(one.names for one in plain)) if collector.entries else ()
    entries = Entries(collector.entries, {*composed.declared, *names}, problems.found, project.placed)
    configuration = configured(project, environment, name, composed.catalogue, entries, [*files, *locks.paths()])
    drafts = Drafts(composed.catalogue, composed.plain, frame, collector.drafts)
    scene = Scene(composed.catalogue, drafts, collector.drafts, configuration.is_external)
    open_names = (one.names[position] for one in plain for position in one.open)
    rulings = judge_open(open_names, composed.catalogue, pack.rulings)
    doubtful = {*rulings.misfits, *_dangling(plain, composed.catalogue, scene)}
    judged = {address: composed.catalogue[address] for address in sorted(addresses(doubtful))}
    check_resources(dict(sorted((resources | judged).items())) if judged else resources, scene, problems.found)
    check_secrets(resources, collector.drafts, frame.policy, problems.found)
    keep(file, pack, extracts, rulings.fitting)
    return Gathered(
        configuration, _parts(composed, plain, entries.external), drafts, composed.held, [*composed.sources], locks
    )


def _dangling(extracts: Sequence[Extract], catalogue: Catalogue, scene: Scene) -> Iterable[str]:
    """Yield the names of resources with an extract that refer to nothing."""
    outward = {target for one in extracts for target in one.outward}
    missing = {str(one) for one in addresses(outward - catalogue.digests.keys()) if scene.is_missing(one)}
    for one in extracts if missing else ():
        if not missing.isdisjoint(one.outward):
            links = zip(one.linked.sources, one.linked.targets, strict=True)
            yield from (one.names[position] for position, target in links if target in missing)


def _parts(composed: Composed, extracts: Sequence[Extract], external: Sequence[tuple[Address, Entry]]) -> Parts:
    """Return what is known of selectors: from the extracts, and from the bodies of the other resources."""
    others: Mapping[Address, Resource] = composed.resources
    said = [*said_by(others.values())]
    offers = offers_of(said)
    for one in extracts:
        for key, words in one.offers:
            offers[key].update(words)
    selecting = [*chain.from_iterable(one.selecting for one in extracts), *selecting_in(said)]
    selecting.sort(key=itemgetter(0))

    def referred() -> Iterable[str]:
        return chain(chain.from_iterable(one.outward for one in extracts), referred_in(others.values()))

    def place(resource: Resource, tool: str) -> Place:
        return composed.collector.drafts[resource.address].place_of(("tools", tool))[0]

    unpinned = [
        *(UnpinnedTool(*tool) for one in extracts for tool in one.unpinned),
        *unpinned_in(others.values(), said, place),
    ]
    names = composed.catalogue.digests
    invalid = {str(address) for address in composed.declared} - names.keys()
    return Parts({*names, *invalid} if invalid else names, offers, selecting, referred, external, not invalid, unpinned)
