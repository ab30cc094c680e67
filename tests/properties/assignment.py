"""Where `moved` entries bring what is live, found by trying every order in which they may have been written.

Nothing is shared with the planner, which reads the answer off the chain: here, versions that an environment skipped are
played through, one group of entries at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = tuple[str, str, str]
Entry = tuple[Key, Key]


@dataclass
class Assigned:
    """``ended`` maps a live name to the later one that a `removed` entry is about."""

    moving: Mapping[Key, Key] = field(default_factory=dict)
    displaced: set[Key] = field(default_factory=set)
    ended: dict[Key, Key] = field(default_factory=dict)
    unclear: set[Key] = field(default_factory=set)


class End(NamedTuple):
    """Where one thing is after all versions, and whose name it took by force."""

    key: Key
    took: Key | None


def assign(
    moved: Mapping[Key, Key],
    declared: Mapping[Key, Any],
    removed: frozenset[Key],
    ours: Mapping[Key, tuple[frozenset[Entry], int]],
    owned: frozenset[Key],
    foreign: frozenset[Key],
) -> Assigned:
    """``ours`` is what the record at each name remembers: the entries of then, and when that was."""

    def seen(old: Key) -> bool:
        entry = old, moved[old]
        here, there = ours.get(old) if old in owned else None, ours.get(moved[old])
        if here and entry in here[0]:
            return True
        return bool(there and entry in there[0] and (here is None or here[1] <= there[1]))

    found, moving = Assigned(), dict[Key, Key]()
    new = {old for old in moved if not seen(old)}
    for thing in sorted(owned & moved.keys()):
        if thing not in new and (thing in declared or thing in removed):
            continue
        entries = {old: moved[old] for old in new | {thing} if old in _component(thing, moved)}
        stays = {k for k in declared if k in foreign or (k in owned and k not in entries)}
        walking = {k for k in owned if k in entries}
        ends = set(_ends(thing, entries, walking, stays))
        ends = {end for end in ends if end.key in declared or end.key in removed}
        calm = {end.key for end in ends if end.took is None}
        forced = {end.key for end in ends if end.took == end.key == moved[thing] and end.key in owned}
        again = thing not in new and thing in moved.values()
        if (thing in declared and thing not in moved.values()) or len(calm) > 1 or (calm and (again or thing in calm)):
            found.unclear.add(thing)
        elif calm:
            (key,) = calm
            if key not in removed:
                moving[thing] = key
            elif thing in declared:
                found.unclear.add(thing)  # its row would stay, and its name is wanted
            else:
                found.ended[thing] = key
        elif thing in new and forced:
            moving[thing] = moved[thing]
            found.displaced.add(moved[thing])
        elif thing in new:
            found.unclear.add(thing)
    known = {*moving, *moving.values(), *found.ended, *found.unclear}
    for old, name in moved.items():
        if old in new and old not in owned and name in owned & declared.keys() - known:
            found.unclear.add(name)  # the entry was about something that never was here
    found.moving = moving
    return found


def _component(start: Key, moved: Mapping[Key, Key]) -> set[Key]:
    found = {start}
    while more := {k for entry in moved.items() if found & {*entry} for k in entry} - found:
        found |= more
    return found


def _ends(thing: Key, entries: Mapping[Key, Key], walking: set[Key], stays: set[Key]) -> Iterator[End]:
    for order in _orders(frozenset(entries)):
        where, left, took = {k: k for k in walking}, set(stays), dict[Key, Key]()
        possible = True
        for group in order:
            steps = {k: entries[place] for k, place in where.items() if place in group}
            after = {**where, **steps}
            for k, place in steps.items():
                if place in left:
                    left.discard(place)
                    took[k] = place
            possible = possible and len({*after.values()}) == len(after)
            where = after
        if possible:
            yield End(where[thing], took.get(thing))


def _orders(entries: frozenset[Key]) -> Iterator[list[frozenset[Key]]]:
    """Every way to write them one after the other, some of them at the same time."""
    if not entries:
        yield []
        return
    names = sorted(entries)
    for mask in range(1, 1 << len(names)):
        group = frozenset(name for at, name in enumerate(names) if mask >> at & 1)
        for rest in _orders(entries - group):
            yield [group, *rest]
