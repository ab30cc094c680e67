"""Readers in processes of their own, who never stop, while keys are added, promoted, used, retired, and values change."""

from __future__ import annotations

import multiprocessing
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.credentials.keep import About, keep, opener, reencrypt
from reconciler.errors import ReconcilerError
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.keys import add_key, promote_key, read_keys, retire_key
from reconciler.secrets.ring import Ring, ring_of
from reconciler.secrets.secret import Secret
from reconciler.store import secrets as store
from reconciler.store.secrets import Actor
from reconciler.store.url import parse_database

ACTOR = Actor("rotation")
NAMES = [f"s{number}" for number in range(6)]
_context = multiprocessing.get_context("spawn")


class Seen(NamedTuple):
    """What one reader saw: how often it read, under which keys, and all that went wrong."""

    reads: int
    keys: int
    wrong: list[str]


def ring(key_file: Path) -> Ring:
    found = ring_of(read_keys(key_file), None)
    assert found is not None
    return found


def value(name: str, version: int) -> str:
    return f"{name} in version {version}"


def read(url: str, key_file: str, number: int, known: Any, over: Event, results: Any) -> None:
    """Takes the key file anew before each read, as a pod sees a mounted secret; ``known`` counts the files it has seen."""
    reads, primaries, wrong = 0, set(), []
    database = parse_database(url, Path("/"))
    newest = dict.fromkeys(NAMES, 0)
    while not over.is_set():
        name = NAMES[reads % len(NAMES)]
        try:
            keys = ring(Path(key_file))
            primaries.add(keys.primary.key_id)
            found = opener(database, keys, ACTOR, "load")("acme", SecretRef("encrypted", name))
            version = int(str(found.version).rpartition(":")[2])
            if found.secret.reveal() != value(name, version):
                wrong.append(f"{name}: version {version} has another value")
            if version < newest[name]:
                wrong.append(f"{name}: version {version} after {newest[name]}")
            newest[name] = version
        except ReconcilerError as error:
            wrong.append(f"{name}: {error}")
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
        reads += 1
        with known.get_lock():
            known[number] += 1
    results.put(Seen(reads, len(primaries), wrong))


def rotate(url: str, key_file: Path, readers: int, rotations: int, rounds: int) -> tuple[list[Seen], dict[str, int]]:
    """What readers saw, and the versions that there are in the end.

    ``rounds`` is how many reads of each reader lie between two steps: the time in which it has seen the key file.
    """
    database = parse_database(url, Path("/"))
    versions = dict.fromkeys(NAMES, 0)

    def set_next(number: int) -> None:
        name = NAMES[number % len(NAMES)]
        versions[name] += 1
        keep(database, ring(key_file), "acme", name, Secret(value(name, versions[name])), About(), ACTOR)

    for number in range(len(NAMES)):
        set_next(number)
    known, over, results = _context.Array("q", readers), _context.Event(), _context.Queue()
    workers = [
        _context.Process(target=read, args=(url, str(key_file), number, known, over, results))
        for number in range(readers)
    ]
    for worker in workers:
        worker.start()

    def seen_by_all(number: int) -> None:
        """Goes on once every reader has read ``rounds`` times more; values change meanwhile."""
        goals = [count + rounds for count in known]
        while any(count < goal for count, goal in zip(known, goals, strict=True)):
            assert all(worker.is_alive() for worker in workers)
            set_next(number)

    try:
        for number in range(rotations):
            old = read_keys(key_file).primary
            new = add_key(key_file)
            seen_by_all(number)
            promote_key(key_file, new)
            seen_by_all(number)
            changing = partial(set_next, number)  # also between two secrets of one run
            assert reencrypt(database, ring(key_file), ACTOR, lambda _, changing=changing: changing()).failed == ()
            store.retire(database, old, ACTOR)
            retire_key(key_file, old)
            seen_by_all(number)
    finally:
        over.set()
        seen = [results.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join(60)
    return seen, versions
