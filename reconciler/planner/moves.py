"""Decide where each live resource goes: ``moved`` entries judged by intent, whatever versions an environment skipped.

Names that ``moved`` entries connect form chains and circles. An entry that this environment has not seen yet was carried
out elsewhere on whatever had its old name, so a resource under that name leaves it, and stops at a declared name: at the
first one whose own entry is older, which only memory or the absence of another choice can tell. What is left open is a
question to the author, never a guess (docs/decisions/0012-moves-by-intent.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from reconciler.errors import Path, Problem
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.live import Applied, Live

NO_MARKS: frozenset[Path] = frozenset()
NAME_TAKEN = "name-taken"
"""The reason why something is destroyed whose name goes to another resource."""


class Question(NamedTuple):
    """Why a live resource can't be assigned, and the names whose selection makes it matter."""

    about: frozenset[Address]
    problem: Problem


class Assignment(NamedTuple):
    """``moves`` maps a live name to the name it gets, ``removed`` one to the later name that a ``removed`` entry ends.

    ``displaced`` are the names whose own resource is destroyed, because another moves there, or is created there.
    """

    moves: Mapping[Address, Address] = {}
    removed: Mapping[Address, Address] = {}
    displaced: frozenset[Address] = frozenset()
    questions: tuple[Question, ...] = ()


def assign(desired: Configuration, live: Live) -> Assignment:
    """Return where the live resources go that a ``moved`` entry names, and the questions that are left."""
    names = _Names(desired, live)
    moves: dict[Address, Address] = {}
    removed: dict[Address, Address] = {}
    displaced: set[Address] = set()
    questions: list[Question] = []
    asked: set[Address] = set()
    for old in names.steps:
        if not live.owns(old) or (names.is_seen(old) and (old in desired.resources or old in names.removed)):
            continue
        ends, blocked = names.ends_of(old)
        if not ends and blocked == names.steps[old] and live.owns(blocked) and not names.is_seen(old):
            # whatever carried the entry out has ended what had that name before
            displaced.add(blocked)
            ends = [blocked]
        problem = _problem(old, ends, blocked, names)
        if problem is not None:
            about = frozenset({old, *names.after(old), *names.before(old)})
            questions.append(Question(about, problem))
            asked.add(old)
        elif ends and ends[0] in names.removed:
            removed[old] = ends[0]
            if old in desired.resources:
                displaced.add(old)
        elif ends:
            moves[old] = ends[0]
    questions += _impostors({*moves, *moves.values(), *removed, *asked}, names)
    going = {old: new for old, new in moves.items() if old != new}
    return Assignment(going, removed, frozenset(displaced), (*questions, *_collisions(moves)))


class _Names:
    """The names of one configuration and one live state, and the entries between them."""

    def __init__(self, desired: Configuration, live: Live) -> None:
        self.steps = {move.old: move.new for move in desired.moves}
        self.back = {new: old for old, new in self.steps.items()}
        self.removed = {removal.address: removal.destroy for removal in desired.removals}
        self.declared = desired.resources
        self.live = live

    def after(self, start: Address) -> Iterator[Address]:
        """Return the names that entries lead to, up to the last one, or around a circle and back to ``start``."""
        return _walk(start, self.steps)

    def before(self, start: Address) -> Iterator[Address]:
        return _walk(start, self.back)

    def is_seen(self, old: Address) -> bool:
        """Whether the entry from ``old`` was there when what is live at one of its ends was last written."""
        new, applied = self.steps[old], self.live.applied
        here = applied.get(old) if self.live.owns(old) else None
        there = applied.get(new)
        if here is not None and _leaving(new) in here.explicit:
            return True
        if there is not None and _coming(old) in there.explicit:
            # an entry that was taken out and written again is another one, about what came to the old name in between
            return here is None or here.generation <= there.generation
        return any(_came_from(old, applied.get(name)) for name in self.after(old))

    def ends_of(self, old: Address) -> tuple[list[Address], Address | None]:
        """Return the names that the resource at ``old`` may have now, and the taken one that ended the search, if any."""
        ends: list[Address] = []
        for name in self.after(old):
            if name == old or (self.live.owns(name) and self._leaves(name)):
                # what is live there leaves it, so an entry of `removed` speaks of what comes
                is_end = name in self.declared or name in self.removed
                return [*ends, *([name] if is_end else ())], None
            if self.live.holds(name) and name in self.declared:
                return ends, name
            if name in self.declared or name in self.removed:
                ends.append(name)
            if name in self.steps and self.is_seen(name):
                break
        return ends, None

    def _leaves(self, name: Address) -> bool:
        return name in self.steps and not self.is_seen(name)


def _problem(old: Address, ends: list[Address], blocked: Address | None, names: _Names) -> Problem | None:
    """Return what is unclear about the resource at ``old``; None where exactly one name is left, or where it is done."""
    first, seen = names.steps[old], names.is_seen(old)
    if old in names.declared and old not in names.back:
        message = f"{old} is moved to {first}, and {old} is declared again: is that the same resource or a new one?"
        hint = f"remove the `moved` entry where {old} is to stay what it is, or apply the version that moves it first"
    elif len(ends) > 1:
        places = " or ".join(map(str, ends))
        message = f"{old} is moved, and the entries leave open where it is now: {places}"
        hint = "apply the versions in between first, or leave only the `moved` entry that says where it is now"
    elif ends == [old]:
        message = f"the entries lead {old} around and back: is that the same resource, or did another take its name?"
        hint = "remove these `moved` entries where it is the same, or apply the versions in between first"
    elif ends and ends[0] in names.removed and not names.removed[ends[0]] and old in names.declared:
        message = (
            f"{old} is moved to {ends[0]} and was let go of there, and {old} is declared again: its row can't stay"
        )
        hint = f"write `destroy: true` for {ends[0]}, or apply the version that lets go of it first"
    elif ends and seen and old in names.back:
        message = f"{old} is no longer declared, and an older entry moves it to {ends[0]}: is it to go there again?"
        entry = f"{old.kind}/{old.name}"
        hint = f"to move it, take out the entry that brought it to {entry}; to end it, `removed: [{{from: {entry}, destroy: true}}]`"
    elif ends or seen:
        return None
    elif blocked is not None:
        message = f"{old} is moved, and another resource is live at {blocked}: which of them is it to be?"
        hint = f"remove the `moved` entries to keep what is at {blocked}, or apply a version without {blocked} first"
    else:
        message = f"{old} is moved to {first}, and nothing is declared there any more: is it to be destroyed?"
        entry = f"{first.kind}/{first.name}"
        hint = f"write `removed: [{{from: {entry}, destroy: true}}]` (`false` keeps the row), or declare {entry}"
    return Problem("move-unclear", message, str(old), hint=hint)


def _impostors(settled: Set[Address], names: _Names) -> Iterator[Question]:
    """Names that an entry gave to something which never was here: what is live there is then another thing, to all appearance.

    ``settled`` are the names of which is known what becomes of their resource.
    """
    for old, new in names.steps.items():
        stays = new in names.declared and new not in settled and names.live.owns(new) and not names.live.owns(old)
        if stays and not names.is_seen(old):
            message = (
                f"{old} is moved to {new} and was never live here: is {new} the same resource, or is it to be replaced?"
            )
            hint = f"remove the `moved` entry to keep what is live, or apply a version without {new} first"
            about = frozenset({old, new})
            yield Question(about, Problem("move-unclear", message, str(new), hint=hint))


def _collisions(moves: Mapping[Address, Address]) -> Iterator[Question]:
    """Two entries to one name; no configuration that was loaded has them."""
    taken: dict[Address, Address] = {}
    for old, new in moves.items():
        if (other := taken.setdefault(new, old)) != old:
            problem = Problem("move-unclear", f"{other} and {old} are both moved to {new}", str(old))
            yield Question(frozenset({other, old, new}), problem)


def _came_from(old: Address, applied: Applied | None) -> bool:
    """Whether an older reconciler moved it here: that remembered no entries, only where a row came from last."""
    if applied is None or applied.moved_from != str(old):
        return False
    return not any(path[:1] == ("moved",) for path in applied.explicit)


def _coming(old: Address) -> Path:
    return "moved", old.name


def _leaving(new: Address) -> Path:
    return "moved", "to", new.name


def marks_of(desired: Configuration) -> Mapping[Address, frozenset[Path]]:
    """Return what the rows at both ends of each entry remember of it, among what their author wrote."""
    found: dict[Address, frozenset[Path]] = {}
    for move in desired.moves:
        found[move.new] = found.get(move.new, frozenset()) | {_coming(move.old)}
        found[move.old] = found.get(move.old, frozenset()) | {_leaving(move.new)}
    return found


def marks_in(applied: Applied) -> list[Path]:
    """Return what a row remembers of entries, in order."""
    return sorted(path for path in applied.explicit if path[:1] == ("moved",))


def notes_on(desired: Configuration, live: Live, created: Iterable[Address]) -> Iterator[str]:
    """Yield why an entry that one could count on moves nothing: its old name is another's, or is not live here."""
    new_ones = {*created} if live.project is not None and live.project.generation else set()
    names = _Names(desired, live)
    for old, new in names.steps.items():
        if live.holds(old) and not live.owns(old):
            owner = live.owner(old)
            whose = f"belongs to the project {owner!r}" if owner else "belongs to no project"
            yield f"the move {old} -> {new} has nothing to do, because {old} {whose}"
        elif new in new_ones and not names.is_seen(old) and not live.owns(old):
            yield f"the move {old} -> {new} has nothing to do, because {old} is not live here: {new} is created"


def linked(moves: Mapping[Address, Address]) -> dict[Address, frozenset[Address]]:
    """For every address that a move leaves or reaches, all those that stand or fall with it: a chain or a circle."""
    came_from = {new: old for old, new in moves.items()}
    found: dict[Address, frozenset[Address]] = {}
    for start in moves:
        if start not in found:
            group = frozenset({start, *_walk(start, moves), *_walk(start, came_from)})
            found |= dict.fromkeys(group, group)
    return found


def _walk(start: Address, steps: Mapping[Address, Address]) -> Iterator[Address]:
    """Yield the names after ``start``; ``start`` itself comes last where the steps lead back to it."""
    visited: set[Address] = set()
    here = steps.get(start)
    while here is not None and here not in visited:
        visited.add(here)
        yield here
        if here == start:
            return
        here = steps.get(here)
