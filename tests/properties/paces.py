"""Histories of configurations, and environments that apply them at any pace: which thing has which uid in the end.

A thing is what its author means: it keeps its identity under every name that `moved` entries give it. A name that is
deleted and declared again stands for the thing that had it last, since no configuration can tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from random import Random
from typing import NamedTuple

from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import digest_of_text
from reconciler.model.configuration import Configuration, Move, Removal
from reconciler.model.live import Applied, DatabaseState, Live, ProjectRow, Row
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.resource import Resource, resource_of
from reconciler.model.spec import Spec
from reconciler.planner.make import make_plan

from .arena import SETTING

NAMES = "abcde"


class Version(NamedTuple):
    """What each name stands for, and the entries that the files have."""

    things: Mapping[str, int]
    moved: Mapping[str, str] = {}
    removed: frozenset[str] = frozenset()


class History(NamedTuple):
    versions: list[Version]
    added: list[frozenset[tuple[str, str]]]
    """The entries that each version brings."""
    deleted: list[Mapping[int, str]]
    """The things that each version deletes, with their last names."""


def history(random: Random, length: int) -> History:
    """Adds, deletes, renames of all forms, re-creations, and entries that are kept or cleaned up."""
    now = Version({})
    found, last, count = History([], [], []), dict[str, int](), 0
    for number in range(length):
        things = dict(now.things)
        gone = {n for n in things if random.random() < 0.15}
        moves = _renames(random, [n for n in things if n not in gone], things, gone) if number else {}
        kept = {
            o: n for o, n in now.moved.items() if o not in moves and n not in moves.values() and random.random() < 0.9
        }
        deleted = {things.pop(n): n for n in gone}
        last |= {n: thing for thing, n in deleted.items()}
        carried = {new: things.pop(old) for old, new in moves.items()}
        things |= carried
        for name in NAMES:
            if (
                name not in things
                and name not in gone
                and name not in moves
                and random.random() < (0.2 if number else 0.5)
            ):
                things[name] = last.pop(name) if name in last else (count := count + 1)
        entries = {**kept, **moves}
        removed = frozenset(n for n in {*now.removed, *gone} if n not in things and random.random() < 0.7)
        while wrong := [o for o, n in entries.items() if not _valid(o, n, things, entries, removed)]:
            del entries[wrong[0]]
        now = Version(things, entries, removed)
        found.versions.append(now)
        found.added.append(frozenset(moves.items()))
        found.deleted.append(deleted)
    return found


def _renames(random: Random, able: list[str], things: Mapping[str, int], gone: set[str]) -> dict[str, str]:
    """To names that are free, or that something leaves in the same version."""
    moving = [name for name in able if random.random() < 0.3]
    free = [n for n in NAMES if n not in things or n in gone or n in moving]
    random.shuffle(free)
    return {old: new for old, new in zip(moving, free, strict=False) if old != new and not _stays_at(new, moving, free)}


def _stays_at(new: str, moving: list[str], free: list[str]) -> bool:
    """Whether what has this name is shuffled to where it is."""
    return any(old == target == new for old, target in zip(moving, free, strict=False))


def _valid(old: str, new: str, things: Mapping[str, int], entries: Mapping[str, str], removed: frozenset[str]) -> bool:
    """As the loader wants it."""
    if old in things and old not in entries.values():
        return False
    return new in things or new in entries or new in removed


def is_lawful(story: History, before: int, after: int) -> bool:
    """Whether the files of version ``after`` still say what an environment at ``before`` has to know."""
    span = range(before + 1, after + 1)
    added = [entry for number in span for entry in story.added[number]]
    end, start = story.versions[after], story.versions[before].moved
    if len({*added}) < len(added) or any(end.moved.get(old) != new or start.get(old) == new for old, new in added):
        return False
    for number in span:
        for name in story.deleted[number].values():
            if any(old == name for later in range(number + 1, after + 1) for old, _ in story.added[later]):
                return False  # another took the name of what was deleted, and moved on
            new = end.moved.get(name)
            if (
                name not in end.removed
                and new in end.things
                and story.versions[before].things.get(new) != end.things[new]
            ):
                return False  # what was deleted is still said to be moved
    return True


def paces(length: int) -> Iterator[tuple[int, ...]]:
    """Every choice of versions; the last one is always applied."""
    for count in range(length):
        for chosen in combinations(range(length - 1), count):
            yield (*chosen, length - 1)


@cache
def _resource(name: str, thing: int) -> Resource:
    address = Address("acme", "connector", name)
    spec = parse(KINDS["connector"], {"type": "custom", "description": f"thing {thing}"}, address)
    assert isinstance(spec, Spec)
    return resource_of(address, spec)


def configuration(version: Version) -> Configuration:
    def at(name: str) -> Address:
        return Address("acme", "connector", name)

    return Configuration(
        "shop",
        None,
        {at(name): _resource(name, thing) for name, thing in sorted(version.things.items())},
        moves=tuple(Move(at(old), at(new)) for old, new in version.moved.items()),
        removals=tuple(Removal(at(name), destroy=True) for name in sorted(version.removed)),
    )


class Environment:
    """A database in memory, to which plans are applied as they read."""

    def __init__(self) -> None:
        self.rows: dict[Address, Row] = {}
        self.applied: dict[Address, Applied] = {}
        self._uids = 0
        self._generation = 0

    def plan(self, version: Version) -> Plan:
        project = ProjectRow("shop", "lineage", None, self._generation) if self._generation else None
        live = Live(DatabaseState.CURRENT, project, dict(self.rows), dict(self.applied))
        return make_plan(configuration(version), live, SETTING)

    def apply(self, plan: Plan) -> None:
        if not plan.changes:
            return
        self._generation += 1
        for change in plan.changes:
            if change.action is Action.DELETE:
                self._end(change.address)
        leaving = {c.previous: self._end(c.previous) for c in plan.changes if c.previous}
        for change in plan.changes:
            if change.action is not Action.DELETE:
                place = change.previous or change.address
                row = leaving.get(place) if change.previous else self.rows.get(place)
                begins = change.action in {Action.CREATE, Action.REPLACE}
                self._write(change, row.uid if row and not begins else self._new())

    def uids(self) -> dict[str, str]:
        return {address.name: row.uid for address, row in self.rows.items()}

    def _new(self) -> str:
        self._uids += 1
        return f"uid-{self._uids}"

    def _end(self, address: Address) -> Row:
        del self.applied[address]
        return self.rows.pop(address)

    def _write(self, change: Change, uid: str) -> None:
        assert (
            change.address not in self.rows or change.action is Action.REPLACE or self.rows[change.address].uid == uid
        )
        text = change.new_text or ""
        digest = digest_of_text(text)
        self.rows[change.address] = Row(change.address, uid, text, 1, self._generation, "shop", digest)
        self.applied[change.address] = Applied(
            change.address, uid, text, 1, digest, self._generation, frozenset(change.explicit)
        )


class Registry:
    """What an environment's uids stand for: the law is that none ever stands for something else."""

    def __init__(self) -> None:
        self.thing_of: dict[str, int] = {}
        self.uid_of: dict[int, str] = {}

    def check(self, version: Version, uids: Mapping[str, str]) -> None:
        """``uids`` are those of each name after the version was applied."""
        assert uids.keys() == version.things.keys()
        for name, uid in uids.items():
            thing = version.things[name]
            assert self.thing_of.setdefault(uid, thing) == thing, f"{name} has the uid of another thing"
            known = self.uid_of.get(thing)
            assert known in (None, uid), f"{name} was destroyed and made anew"
        self.uid_of = {version.things[name]: uid for name, uid in uids.items()}
