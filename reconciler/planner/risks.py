"""The risks of a change: those of its action, and those that its kind declares for the values before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson
from msgspec.structs import replace

from reconciler.kinds.facts import body_risks, field_risks, new_reach
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, get, put
from reconciler.model.kind import Kind
from reconciler.model.plan import Action, Change
from reconciler.model.risk import in_order
from reconciler.model.secret_ref import references_in
from reconciler.processes import in_batches

_ACTIONS = {Action.DELETE: "deletes", Action.REPLACE: "replaces", Action.FORGET: "lets-go"}


Moves: TypeAlias = Mapping[Address, Address]
"""The new address of every resource that a plan moves, by its old one."""
NO_MOVES: Moves = MappingProxyType({})


def moves_of(changes: Iterable[Change]) -> Moves:
    return {change.previous: change.address for change in changes if change.previous is not None}


def risks_of(change: Change, moves: Moves = NO_MOVES) -> tuple[str, ...]:
    """Return the names, gravest first; the change's own ``risks`` don't count.

    A reference that follows its target to a new name, as ``moves`` has it, carries no risk.
    """
    return in_order({*_of_action(change), *_of_bodies(change, moves)})


def with_risks(changes: Sequence[Change]) -> list[Change]:
    """The same changes with their risks; judged by several processes where they are many."""

    moves = moves_of(changes)

    def work(batch: Sequence[Change]) -> bytes:
        return orjson.dumps([risks_of(change, moves) for change in batch])

    alike: dict[Any, list[int]] = {}
    for number, change in enumerate(changes):
        if not _has_none(change):
            creates = change.action is Action.CREATE and not change.adopted_from
            alike.setdefault((change.address.kind, change.new) if creates else number, []).append(number)
    judged = in_batches([changes[numbers[0]] for numbers in alike.values()], work)
    found = chain.from_iterable(orjson.loads(text or b"[]") for text in judged)
    all_changes = [*changes]
    for numbers, risks in zip(alike.values(), found, strict=True):
        for number in numbers if risks else ():
            all_changes[number] = replace(changes[number], risks=tuple(risks))
    return all_changes


def _has_none(change: Change) -> bool:
    """Nothing is judged of most creations."""
    return change.action is Action.CREATE and not change.adopted_from and not _judges_creations(change.address.kind)


def _judges_creations(kind: str) -> bool:
    return bool(KINDS[kind].judges)


def _of_action(change: Change) -> Iterator[str]:
    if change.action in _ACTIONS and not change.is_lost:
        yield _ACTIONS[change.action]
    if change.adopted_from:
        yield "takes-over"
    overwrites = change.action in {Action.UPDATE, Action.REPLACE, Action.DELETE}
    if change.outside is not None and overwrites:
        yield "overwrites-outside"


def _of_bodies(change: Change, moves: Moves) -> Iterator[str]:
    if change.action in {Action.FORGET, Action.ADOPT, Action.MOVE}:
        return
    if change.old is None and not _judges_creations(change.address.kind):
        return  # its body stays text
    kind = KINDS[change.address.kind]
    before, after = change.before, change.after
    if before is not None and moves:
        before = _followed(kind, change.address.tenant, before, moves)
    if before is not None and after is not None:
        yield from _of_fields(kind, change, before, after)
    for judge in kind.judges:
        yield from body_risks(judge, before, after)


def _followed(kind: Kind, tenant: str, before: Body, moves: Moves) -> Body:
    """The body with the new names of the resources that it refers to."""
    for path, target in kind.references_of(tenant, before):
        if (new := moves.get(target)) is not None:
            name = f"{new.kind}/{new.name}" if "/" in get(before, path) else new.name
            before = put(before, path, name)
    return before


def _secrets(body: Body) -> set[str]:
    return {str(use.reference) for use in references_in(body)}


def _of_fields(kind: Kind, change: Change, before: Body, after: Body) -> Iterator[str]:
    tag = kind.discriminator
    variant = kind.variants.get(str(after.get(tag)) if tag else "")
    # what takes a name from another of the same type is judged as a change of it
    replaced = change.action is Action.REPLACE and tag is not None and before.get(tag) != after[tag]
    if variant is not None:
        yield from field_risks(variant, before, after, replaced=replaced)
    if variant is not None and replaced:
        # another type has other fields: a host matters where the same secret is sent there, a program wherever it starts
        kept = _secrets(before) & _secrets(after)
        yield from new_reach(variant, before, after, {"command-changed", *(["endpoint-host-changed"] if kept else [])})
    if replaced and {*references_in(before)} != {*references_in(after)}:
        yield "credential-changed"
    if any(field.op == "secret" for field in change.fields):
        yield "credential-changed"
