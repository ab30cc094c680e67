"""Renames that no ``moved`` entry names: a resource that goes, and a new one of its kind with the same body."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, get, put
from reconciler.model.plan import Action, Change

MOST_NOTES = 20
_ROUNDS = 5
"""A resource that refers to a renamed one is found in the round after that."""


class Rename(NamedTuple):
    """One resource by its bodies: the name that it has, and the one that it is to have."""

    old: Address
    new: Address

    @property
    def entry(self) -> str:
        """Return the item of `moved` that says so."""
        return f"{{from: {self.old.kind}/{self.old.name}, to: {self.new.kind}/{self.new.name}}}"


def renames_in(changes: Iterable[Change]) -> tuple[Rename, ...]:
    """Return deletions and creations that are one resource each by their bodies; what fits several is no guess."""
    changes = [*changes]
    gone, new = defaultdict[tuple[str, str], list[Change]](list), defaultdict[tuple[str, str], list[Change]](list)
    for change in changes:
        if change.action is Action.DELETE and change.old_text is not None:
            gone[change.address.tenant, change.address.kind].append(change)
    for change in changes if gone else ():
        if change.action is Action.CREATE and len(change.explicit) > 1:  # a type alone is no sign of a rename
            new[change.address.tenant, change.address.kind].append(change)
    found: dict[Address, Address] = {}
    for _ in range(_ROUNDS):
        more = {
            old: to
            for key in gone.keys() & new.keys()
            for old, to in _pairs(gone[key], new[key], found)
            if old not in found
        }
        if not more:
            break
        found |= more
    return tuple(Rename(old, to) for old, to in sorted(found.items()))


def _pairs(
    gone: Sequence[Change], new: Sequence[Change], found: Mapping[Address, Address]
) -> Iterator[tuple[Address, Address]]:
    before, after = defaultdict[str, list[Address]](list), defaultdict[str, list[Address]](list)
    for change in gone:
        before[_after_renames(change, found)].append(change.address)
    for change in new:
        after[change.new_text or ""].append(change.address)
    for text, addresses in before.items():
        if len(addresses) == 1 and len(after.get(text, ())) == 1:
            yield addresses[0], after[text][0]


def _after_renames(change: Change, found: Mapping[Address, Address]) -> str:
    """Return the body of what goes, with its references to what is renamed led to the new names."""
    text = change.old_text or ""
    if not found or not KINDS[change.address.kind].references:
        return text
    body: Body = change.before or {}
    for reference in [*KINDS[change.address.kind].references_of(change.address.tenant, body)]:
        to = found.get(reference.address)
        written = get(body, reference.path)
        if to is not None and written in {reference.address.name, f"{to.kind}/{reference.address.name}"}:
            body = put(body, reference.path, to.name if written == reference.address.name else f"{to.kind}/{to.name}")
    return canonical(body)


def notes_of(renames: Sequence[Rename]) -> Iterator[str]:
    """Yield a sentence for each, and one for those that are too many."""
    for one in renames[:MOST_NOTES]:
        yield (
            f"{one.new} has the same body as {one.old}, which is deleted: a rename? add `moved: [{one.entry}]`, "
            "or run `reconciler plan --suggest-moves`"
        )
    if len(renames) > MOST_NOTES:
        yield f"{len(renames) - MOST_NOTES} more resources have the same body as one that is deleted: `reconciler plan --suggest-moves`"
