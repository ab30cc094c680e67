"""The quick way: files read in chunks, those that are known from the cache, into a Configuration; or into nothing.

It knows how to find that everything is right, and gives up where anything is not: what is wrong, and where, is told by
the thorough way. A law holds them together: where this way gives a configuration, the thorough one gives the same.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path as FilePath
from typing import NamedTuple

import orjson
from msgspec import Struct

from reconciler.errors import Problems
from reconciler.kinds.fit import misfits
from reconciler.load import documents
from reconciler.load.build import Count, build_resources, check_resources, check_secrets, quietly
from reconciler.load.cache import Pack, Ruling, pack_file, read_pack, used, write_pack
from reconciler.load.catalogue import Catalogue, addresses
from reconciler.load.chunks import Chunk, chunks
from reconciler.load.closed import Elsewhere, Parts, judged, nowhere, referred_in, world_of
from reconciler.load.collect import MAX_COPIES, Collector
from reconciler.load.draft import Entry
from reconciler.load.entries import Entries
from reconciler.load.extract import Extract, unpacked
from reconciler.load.loaded import Loaded, configured
from reconciler.load.paths import STDIN, files_of, files_of_project, held_by, is_whole, may_delete
from reconciler.load.places import Drafts
from reconciler.load.project import Project
from reconciler.load.selectors import World, offers_of, said_by, selecting_in
from reconciler.load.source import parse_source, shown_name
from reconciler.load.validate import Faulty, Frame, extract
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.resource import Resource
from reconciler.processes import in_processes

WORTH_A_PROCESS = 256 * 1024
"""Bytes to read; below that, a process of its own costs more than it saves."""


class Given(Struct, frozen=True):
    """The files in groups (base, then overlays) with their bytes; ``held`` are those that the paths name, if any do."""

    groups: list[list[tuple[FilePath, bytes]]]
    held: set[str] | None


def load_quickly(
    project: Project,
    environment: str | None,
    paths: Sequence[str],
    name: str | None,
    count: Count,
    elsewhere: Elsewhere = nowhere,
) -> Loaded | None:
    """None where something is wrong, or where only the thorough way knows how to read it."""
    given = _read(project, environment, paths)
    found = _unjudged(project, environment, given, name, count) if given else None
    if given is None or found is None:
        return None
    judgement = judged(project, found.configuration, found.parts, found.drafts, elsewhere)
    if judgement.errors:
        return None
    selected = None if given.held is None else frozenset(found.drafts.declared_in(given.held))
    deletes = given.held is None and may_delete(project, paths)
    return Loaded(found.configuration, selected, deletes, found.drafts, project, (), judgement)


def world_quickly(project: Project, environment: str, name: str | None) -> World | None:
    """Return what an environment of the project declares; None where the thorough way has to look."""
    given = _read(project, environment, ())
    found = _unjudged(project, environment, given, name, quietly) if given else None
    return None if found is None else world_of(project, found.configuration, found.parts)


class Unjudged(NamedTuple):
    """A valid configuration whose selectors nobody has looked at yet."""

    configuration: Configuration
    parts: Parts
    drafts: Drafts


def _unjudged(
    project: Project, environment: str | None, given: Given, name: str | None, count: Count
) -> Unjudged | None:
    settings = project.source.data if project.source else b""
    file = pack_file(str(project.root), settings, environment)
    known = read_pack(file)
    frame = Frame(project, project.variables(environment), project.secret_policy(environment))
    pieces = [chunk for path, data in given.groups[0] for chunk in chunks(str(path), data)]
    extracts = _extracted(pieces, known, frame, count)
    if extracts is None or sum(one.copies for one in extracts.values()) > MAX_COPIES:
        return None
    if (given.held is not None or not project.has_file) and any(one.says_nothing for one in extracts.values()):
        return None  # it may be an error that a path holds nothing
    collector, problems = _collected(given, pieces, extracts, frame)
    resources = build_resources(collector, project, frame.variables, problems.found, quietly)
    plain = [piece for piece in pieces if piece.key in extracts and piece.file not in collector.files]
    entries = Entries(
        collector.entries,
        {*resources, *_named(plain, extracts)} if collector.entries else set(),
        problems.found,
        project.placed,
    )
    catalogue = Catalogue([(extracts[p.key], p.file, p.before) for p in plain], resources, project.own_name)
    if problems.found or catalogue.has_duplicates or (not catalogue and not collector.entries):
        return None
    paths_read = [str(path) for group in given.groups for path, _ in group]
    configuration = configured(project, environment, name, catalogue, entries, paths_read)
    rulings = _judged(catalogue, plain, extracts, known, configuration.is_external)
    check_resources(resources, collector, configuration.is_external, problems.found, catalogue)
    check_secrets(resources, collector, frame.policy, problems.found)
    if problems.found or rulings is None:
        return None
    drafts = Drafts(catalogue, plain, frame, collector.drafts)
    parts = _parts(catalogue, [extracts[piece.key] for piece in plain], resources, entries.external)
    _keep(file, known, extracts, rulings)
    return Unjudged(configuration, parts, drafts)


def _parts(
    catalogue: Catalogue,
    extracts: Sequence[Extract],
    others: Mapping[Address, Resource],
    external: Sequence[tuple[Address, Entry]],
) -> Parts:
    """What the extracts know of selectors, and what the bodies of the other resources say."""
    said = [*said_by(others.values())]
    offers = offers_of(said)
    for one in extracts:
        for key, words in one.offers:
            offers[key].update(words)
    selecting = [*chain.from_iterable(one.selecting for one in extracts), *selecting_in(said)]
    selecting.sort(key=itemgetter(0))

    def referred() -> Iterable[str]:
        return chain(chain.from_iterable(one.outward for one in extracts), referred_in(others.values()))

    return Parts(catalogue.digests, offers, selecting, referred, external)


def _read(project: Project, environment: str | None, paths: Sequence[str]) -> Given | None:
    """None for whatever can't be read as a plain file."""
    problems = Problems()
    if project.has_file:
        files = files_of_project(project, environment, problems)
    elif STDIN in paths:
        return None
    else:
        once: dict[str, FilePath] = {}
        for path in (path for given in paths for path in files_of(FilePath(given), problems)):
            once.setdefault(os.path.realpath(path), path)
        files = [[*once.values()]]
    if problems.found or not any(files):
        return None
    groups = [[(path, _bytes(path)) for path in group] for group in files]
    whole = [[(path, data) for path, data in group if data is not None] for group in groups]
    if list(map(len, whole)) != list(map(len, groups)):
        return None
    held = held_by(paths, set(), files, problems) if project.has_file and not is_whole(project, paths) else None
    return None if problems.found else Given(whole, held)


def _bytes(path: FilePath) -> bytes | None:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > documents.MAX_BYTES:
            return None
        with open(path, "rb", buffering=0) as file:
            data = file.readall()
    except OSError:
        return None
    return data if len(data) <= documents.MAX_BYTES else None


def _extracted(pieces: Sequence[Chunk], known: Pack, frame: Frame, count: Count) -> dict[str, Extract] | None:
    """By the key of the chunk; what is not there has to be looked at with the other files. None: one is wrong by itself."""
    found: dict[str, Extract] = {}
    missing: dict[str, Chunk] = {}
    for piece in pieces:
        if (one := known.extracts.get(piece.key)) is not None:
            found[piece.key] = one
        else:
            missing[piece.key] = piece
    todo = [*missing.values()]

    def work(piece: Chunk) -> bytes | None:
        made = extract(piece, frame)
        return _FAULTY if isinstance(made, Faulty) else made.pack() if made else None

    def done(number: int) -> None:
        count(len(found) + number, len(pieces), "files")

    for piece, packed in zip(todo, _in_processes(todo, work, sum(len(p.data) for p in todo), done), strict=True):
        if packed == _FAULTY:
            return None
        if packed is not None:
            found[piece.key] = unpacked(packed)
    return found


_FAULTY = b""


def _in_processes(
    items: Sequence[Chunk], work: Callable[[Chunk], bytes | None], size: int, done: Callable[[int], None]
) -> Iterable[bytes | None]:
    return map(work, items) if size < WORTH_A_PROCESS else in_processes(items, work, done)


def _collected(
    given: Given, pieces: Sequence[Chunk], extracts: Mapping[str, Extract], frame: Frame
) -> tuple[Collector, Problems]:
    """Drafts of the overlays, of the files of the base that they change, and of those without an extract."""
    problems = Problems()
    collector = Collector(frame.variables, frame.project.settings.default_tenant, problems.found)
    overlays = [
        (number, parse_source(shown_name(path), data, problems, str(path)))
        for number, group in enumerate(given.groups[1:], 1)
        for path, data in group
    ]
    over = Collector(frame.variables, frame.project.settings.default_tenant, Problems().found)
    for number, source in overlays:
        over.add(source, number)
    changed = {*map(str, over.drafts)}
    whole = {
        piece.file for piece in pieces if piece.key not in extracts or not changed.isdisjoint(extracts[piece.key].names)
    }
    collector.files = whole
    for path, data in given.groups[0]:
        if str(path) in whole:
            collector.add(parse_source(shown_name(path), data, problems, str(path)))
    for number, source in overlays:
        collector.add(source, number)
    return collector, problems


def _named(pieces: Iterable[Chunk], extracts: Mapping[str, Extract]) -> Iterable[Address]:
    return (address for piece in pieces for address in addresses(extracts[piece.key].names))


def _judged(
    catalogue: Catalogue,
    pieces: Sequence[Chunk],
    extracts: Mapping[str, Extract],
    known: Pack,
    is_external: Callable[[Address], bool],
) -> dict[str, Ruling] | None:
    """What the rules look at outside of a chunk, with the digests that they were judged by; None where one is broken.

    A ruling stands as long as everything that it looked at is as it was.
    """
    digests = catalogue.digests
    outward = {target for piece in pieces for target in extracts[piece.key].outward}
    if any(not is_external(address) for address in addresses(outward - digests.keys())):
        return None
    found: dict[str, Ruling] = {}
    todo: list[str] = []
    for piece in pieces:
        one = extracts[piece.key]
        for name in (one.names[position] for position in one.open):
            ruling = known.rulings.get(name)
            if ruling is not None and ruling[0] == digests[name] and _stands(ruling, digests):
                found[name] = ruling
            else:
                todo.append(name)

    def work(name: str) -> bytes | None:
        looked: dict[str, str] = {}

        def lookup(address: Address) -> Resource | None:
            looked[str(address)] = digests.get(str(address), "")
            return catalogue.get(address)

        resource = catalogue[Address.of(name)]
        if any(misfits(resource, lookup)):
            return None
        return orjson.dumps([resource.digest, *(part for pair in looked.items() for part in pair)])

    results = in_processes(todo, work) if len(todo) > 2000 else map(work, todo)
    for name, packed in zip(todo, results, strict=True):
        if packed is None:
            return None
        found[name] = orjson.loads(packed)
    return found


def _stands(ruling: Ruling, digests: Mapping[str, str]) -> bool:
    return all(digests.get(ruling[at], "") == ruling[at + 1] for at in range(1, len(ruling), 2))


def _keep(file: FilePath | None, known: Pack, extracts: Mapping[str, Extract], rulings: Mapping[str, Ruling]) -> None:
    if file is None:
        return
    if rulings == known.rulings and extracts.keys() == known.extracts.keys():
        used(file)
    else:
        write_pack(file, extracts, rulings)
