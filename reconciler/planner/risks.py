"""The risks of a change: those of its action, and those that its kind declares for the values before and after.

A name stands for what it leads to. A change is compared with whatever its name, or its secret, stood for before it
(docs/decisions/0013-facts-on-fields.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from msgspec.structs import replace

from reconciler.batches import Map, in_batches
from reconciler.kinds.facts import body_risks, field_risks, may_start, new_reach, starts_program
from reconciler.kinds.table import KINDS
from reconciler.model.body import Body, get, put
from reconciler.model.kind import Kind
from reconciler.model.plan import SECRET_OPS, Action, Change
from reconciler.model.risk import in_order
from reconciler.model.secret_ref import references_in
from reconciler.planner.names import NO_MOVES, Moves, Names
from reconciler.planner.reach import Pair, leads_elsewhere, repointed
from reconciler.planner.sharing import secrets_of

_ACTIONS = {Action.DELETE: "deletes", Action.REPLACE: "replaces", Action.FORGET: "lets-go"}
_OF_ITSELF = frozenset({"replaces", "protection-removed"})
"""Risks of one resource: another one in its place has its own."""


def risks_of(change: Change, moves: Moves = NO_MOVES, names: Names | None = None) -> tuple[str, ...]:
    """Return the names, gravest first; the change's own ``risks`` don't count.

    A reference that follows its target to a new name, as ``moves`` has it, carries no risk. Without ``names``, only what the
    change itself holds is judged.
    """
    moves = names.moves if names else moves
    found = {*_of_action(change), *_of_bodies(change, moves)}
    return in_order({*found, *_of_names(change, names)} if names else found)


def with_risks(changes: Sequence[Change], names: Names, mapper: Map = map) -> list[Change]:
    """Return the same changes with their risks; those that are alike are judged once."""

    def work(batch: Sequence[Change]) -> list[tuple[str, ...]]:
        return [risks_of(change, names=names) for change in batch]

    alike: dict[Any, list[int]] = {}
    for number, change in enumerate(changes):
        alone = change.action is not Action.CREATE or names.means_more(change)
        if alone or _judges_creation(change):
            alike.setdefault(number if alone else (change.address.kind, change.new), []).append(number)
    found = chain.from_iterable(in_batches(work, [changes[numbers[0]] for numbers in alike.values()], mapper))
    all_changes = [*changes]
    for numbers, risks in zip(alike.values(), found, strict=True):
        for number in numbers if risks else ():
            all_changes[number] = replace(changes[number], risks=risks)
    return all_changes


def _judges_creation(change: Change) -> bool:
    """Whether a creation may have a risk by itself; most have none, and their bodies stay text."""
    kind = KINDS[change.address.kind]
    return bool(kind.judges) or may_start(kind.name, change.new_text or "")


def _of_action(change: Change) -> Iterator[str]:
    if change.action in _ACTIONS and not change.is_lost:
        yield _ACTIONS[change.action]
    if change.adopted_from:
        yield "takes-over"
    overwrites = change.action in {Action.UPDATE, Action.REPLACE, Action.DELETE}
    if change.outside is not None and overwrites:
        yield "overwrites-outside"


def _of_bodies(change: Change, moves: Moves) -> Iterator[str]:
    kind = KINDS[change.address.kind]
    if change.begins and _judges_creation(change) and starts_program(kind, change.after or {}):
        yield "command-added"
    if change.action in {Action.FORGET, Action.ADOPT, Action.MOVE} or (
        change.old is None and not _judges_creation(change)
    ):
        return  # its body stays text
    before, after = change.before, change.after
    if before is not None and moves:
        before = _followed(kind, change.address.tenant, before, moves)
    if before is not None and after is not None:
        yield from _of_fields(kind, before, after, change.action is Action.REPLACE)
        if any(field.op in SECRET_OPS for field in change.fields):
            yield "credential-changed"
    for judge in kind.judges:
        yield from body_risks(judge, before, after)


def _of_names(change: Change, names: Names) -> Iterator[str]:
    """Yield what follows from what the change's name, its references and its secrets stood for."""
    address, after = change.address, change.after
    if after is None or change.action is Action.FORGET:
        return
    if leads_elsewhere(change) and change.before is not None:
        yield from _of_pairs(repointed(address, change.before, after, names), names.moves)
    for former in (names.former(change), names.last_applied(change), *names.former_tools(change)):
        if former is not None:
            yield from _of_pairs([Pair(address, former, after)], names.moves)
            yield from _of_pairs(repointed(address, former, after, names), names.moves)
    if change.begins:
        yield from _of_pairs((Pair(address, body, after) for body in names.ended_with_secrets_of(change)), names.moves)
    if names.sends_secrets_elsewhere(change):
        yield "endpoint-host-changed"


def _of_pairs(pairs: Iterable[Pair], moves: Moves) -> Iterator[str]:
    """Yield the risks of a field that had changed from the one body to the other; what concerns only one resource is none of them."""
    for address, before, after in pairs:
        kind = KINDS[address.kind]
        before = _followed(kind, address.tenant, before, moves) if moves else before
        yield from (risk for risk in _of_fields(kind, before, after, True) if risk not in _OF_ITSELF)


def _followed(kind: Kind, tenant: str, before: Body, moves: Moves) -> Body:
    """Return the body with the new names of the resources that it refers to."""
    for path, target in kind.references_of(tenant, before):
        if (new := moves.get(target)) is not None:
            name = f"{new.kind}/{new.name}" if "/" in get(before, path) else new.name
            before = put(before, path, name)
    return before


def _of_fields(kind: Kind, before: Body, after: Body, replaces: bool) -> Iterator[str]:
    tag = kind.discriminator
    variant = kind.variants.get(str(after.get(tag)) if tag else "")
    # what takes a name from another of the same type is judged as a change of it
    replaced = replaces and tag is not None and before.get(tag) != after[tag]
    if variant is not None:
        yield from field_risks(variant, before, after, replaced=replaced)
    if variant is not None and replaced:
        # another type has other fields: a host matters where the same secret is sent there, a program wherever it starts
        kept = secrets_of(before) & secrets_of(after)
        yield from new_reach(variant, before, after, {"command-changed", *(["endpoint-host-changed"] if kept else [])})
    if replaced and {*references_in(before)} != {*references_in(after)}:
        yield "credential-changed"
