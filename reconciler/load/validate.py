"""Turn a chunk into its extract: what it declares, validated apart from all other chunks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path as FilePath

from reconciler.errors import Problems
from reconciler.kinds.fit import Fits
from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import targets_of
from reconciler.load.build import build_resources, check_secrets
from reconciler.load.chunks import Chunk
from reconciler.load.collect import Collector
from reconciler.load.extract import Extract, Links, Outward, made_of
from reconciler.load.frame import Frame
from reconciler.load.selectors import offers_of, said_by
from reconciler.load.source import Unlocated, parse_source, shown_name
from reconciler.load.unpinned import unpinned_in
from reconciler.model.address import Address
from reconciler.model.kind import no_rules
from reconciler.model.resource import Resource


def extract(chunk: Chunk, frame: Frame) -> Extract | None:
    """Return the extract of a chunk; None if it holds a problem, or entries of lists, which need all files to be judged."""
    problems = Problems()
    collector = Collector(frame.variables, frame.project.settings.default_tenant, problems.found)
    documents = frame.alike.read(chunk.data, chunk.file)
    if not documents:
        documents = parse_source(shown_name(FilePath(chunk.file)), chunk.data, problems).documents
    collector.add(Unlocated(chunk.file, chunk.data, documents, chunk.file))
    if problems.found or collector.entries:
        return None
    resources = build_resources(collector, frame, problems.found)
    check_secrets(resources, collector.drafts, frame.policy, problems.found)
    found = _links(resources, frame.fits) if not problems.found else None
    if found is None:
        return None
    links, outward, open_ = found
    said = [*said_by(resources.values())]
    offers = [(tenant, noun, sorted(words)) for (tenant, noun), words in sorted(offers_of(said).items())]
    selecting = [(position, *selector) for position, (_, words) in enumerate(said) for selector in words.selectors]
    positions = {address: position for position, address in enumerate(resources)}
    unpinned = [(positions[connector], name) for connector, name in unpinned_in(resources.values(), said)]
    others = Outward(outward, open_, offers, selecting, unpinned)
    return made_of([*resources.values()], collector.nodes, collector.copies, links, others)


def _links(resources: Mapping[Address, Resource], fits: Fits) -> tuple[Links, list[str], list[int]] | None:
    """None where a rule is broken, or where it takes all files to say: circles, and values that each has to itself."""
    links, outward, open_ = Links([], []), dict[str, None](), list[int]()
    names = {*map(str, resources)}
    kinds = {name: KINDS[name] for name in {address.kind for address in resources}}
    for position, (address, resource) in enumerate(resources.items()):
        kind = kinds[address.kind]
        if kind.unique and not resource.body.keys().isdisjoint(kind.unique):
            return None  # whether another one has the same shows only a look at all files
        for target in targets_of(address.kind, resource.text):
            if leads_back(address.kind) and leads_back(target.partition("/")[0]):
                return None
            name = f"{address.tenant}/{target}"
            links.sources.append(position)
            links.targets.append(name)
            if name not in names:
                outward[name] = None
        if kind.check is no_rules:
            continue
        known = _Known(resources)
        problems = fits.misfits(resource, known)
        if known.asked_further:
            open_.append(position)
        elif problems:
            return None
    return links, [*outward], open_


class _Known:
    """Finds what the chunk declares; remembers whether anybody asked for something else."""

    def __init__(self, resources: Mapping[Address, Resource]) -> None:
        self._resources = resources
        self.asked_further = False

    def __call__(self, address: Address) -> Resource | None:
        found = self._resources.get(address)
        self.asked_further |= found is None
        return found


@cache
def leads_back(kind: str) -> bool:
    """Whether resources of this kind may lead back to themselves: only a look at all files tells whether one does."""
    found, left = set[str](), [kind]
    while left:
        # a kind that is near is found before the modules of those behind it are imported
        targets = _referred_by(left.pop())
        if kind in targets:
            return True
        left += targets - found
        found |= targets
    return False


def _referred_by(kind: str) -> set[str]:
    """Return the kinds that resources of one may refer to; none where there is no such kind."""
    references = KINDS[kind].references if kind in KINDS else ()
    return {name for ref in references for name in ([ref.kind] if ref.kind else KINDS)}
