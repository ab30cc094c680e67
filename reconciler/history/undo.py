"""``rollback`` and ``revert``: what was managed before, turned into a configuration that plans like any other."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import PlanStale, Problem, ReconcilerError
from reconciler.history.managed import Managed, managed_at
from reconciler.kinds.parse import parse, upgrade
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.configuration import Adoption, Configuration
from reconciler.model.history import Generation, History
from reconciler.model.live import Live
from reconciler.model.resource import Resource, resource_of
from reconciler.model.spec import Spec


class Undoing(Struct, frozen=True):
    """What to plan for, to take generations back.

    The configuration, where live resources move to, the uids that come back, what was taken over since then and stays nobody's
    again, and which generations are undone.
    """

    configuration: Configuration
    moves: Mapping[Address, Address]
    uids: Mapping[Address, str]
    let_go: frozenset[Address]
    undone: tuple[Generation, ...]
    touched: frozenset[Address] | None = None
    """The addresses that this is about; None: all of them."""


def rollback(target: int, history: History, live: Live, base: Configuration) -> Undoing:
    """Return the managed state as of the end of generation ``target`` (0: nothing). ``base`` names project and environment.

    Raises ReconcilerError for a generation that never was, or that is no longer kept. What another project owns by now
    stays with it.
    """
    if not 0 <= target <= history.newest:
        raise ReconcilerError(
            f"the project {base.project!r} has no generation {target}",
            code="no-such-generation",
            hint=f"the newest is {history.newest}",
        )
    if target < history.horizon:
        raise _pruned(target, history, f"the oldest that can be rolled back to is {history.horizon}")
    now = {(address.tenant, row.uid): address for address, row in live.rows.items()}
    wanted = {
        address: managed
        for address, managed in managed_at(history.changes, target).items()
        if live.owner(now.get((address.tenant, managed.uid), address)) is None
    }
    return _undoing(wanted, history, live, base, tuple(g for g in history.generations if g.number > target))


def _pruned(number: int, history: History, hint: str) -> ReconcilerError:
    return ReconcilerError(
        f"what generation {number} changed is no longer kept: history was pruned up to generation {history.horizon}",
        code="history-pruned",
        hint=hint,
    )


def revert(number: int, history: History, live: Live, base: Configuration) -> Undoing:
    """Return what is managed now, without what generation ``number`` did. Raises PlanStale where later ones overlap."""
    changes = history.changes
    if number not in history.by_number:
        raise ReconcilerError(
            f"the project {base.project!r} has no generation {number}",
            code="no-such-generation",
            hint=f"the newest is {history.newest}",
        )
    if number <= history.horizon:
        raise _pruned(number, history, f"the oldest that can be reverted is {history.horizon + 1}")
    touched = {a for c in changes if c.generation == number for a in (c.address, c.previous) if a}
    before = managed_at(changes, number - 1)
    lives = {(c.address.tenant, c.uid) for c in changes if c.generation == number}
    lives |= {(a.tenant, managed.uid) for a, managed in before.items() if a in touched}
    later = [
        c
        for c in changes
        if c.generation > number and ({c.address, c.previous} & touched or (c.address.tenant, c.uid) in lives)
    ]
    if later:
        raise PlanStale(
            *(
                Problem(
                    "revert-overlaps",
                    f"{change.address} was changed again by generation {change.generation}",
                    address=str(change.address),
                    hint="revert that one first, or roll back",
                )
                for change in later
            )
        )
    wanted = {a: m for a, m in managed_at(changes, history.newest).items() if a not in touched and live.owns(a)}
    wanted |= {a: m for a, m in before.items() if a in touched}
    undoing = _undoing(wanted, history, live, base, (history.by_number[number],))
    return replace(undoing, touched=frozenset(touched))


def _undoing(
    wanted: Mapping[Address, Managed],
    history: History,
    live: Live,
    base: Configuration,
    undone: tuple[Generation, ...],
) -> Undoing:
    where = {(address.tenant, row.uid): address for address, row in live.rows.items() if live.owns(address)}
    places = {address: where.get((address.tenant, managed.uid)) for address, managed in wanted.items()}
    moves = {place: address for address, place in places.items() if place is not None and place != address}
    # a name that another life has now, and keeps until this ends it, is taken by a replace and not by a move
    while taken := [place for place, address in moves.items() if address in live.rows and address not in moves]:
        for place in taken:
            del moves[place]
    resources = {address: _resource(address, managed) for address, managed in sorted(wanted.items())}
    configuration = replace(
        base,
        resources=resources,
        # what was let go of since then, and is still nobody's, is ours again
        adoptions=tuple(
            Adoption(address, None)
            for address, managed in sorted(wanted.items())
            if (row := live.rows.get(address)) is not None and row.uid == managed.uid
        ),
    )
    found_there = _taken_over(history)
    found_there -= {(address.tenant, managed.uid) for address, managed in wanted.items()}
    let_go = frozenset(a for life, a in where.items() if a not in wanted and a not in moves and life in found_there)
    return Undoing(configuration, moves, {a: m.uid for a, m in wanted.items()}, let_go, undone)


def _taken_over(history: History) -> frozenset[tuple[str, str]]:
    """Return the lives (tenant and uid) that were there before this project first had to do with them."""
    seen: dict[tuple[str, str], str] = {}
    for change in history.changes:
        seen.setdefault((change.address.tenant, change.uid), change.action)
    return frozenset(life for life, action in seen.items() if action not in {"create", "replace"})


def _resource(address: Address, managed: Managed) -> Resource:
    kind = KINDS.get(address.kind)
    spec = parse(kind, upgrade(kind, managed.body, managed.spec_version), address) if kind else ()
    if not isinstance(spec, Spec):
        raise ReconcilerError(
            Problem(
                "history-invalid",
                f"{address} as it was applied then is no longer valid",
                str(address),
                hint="write it anew in the configuration, or roll back with --target for the others",
            )
        )
    return resource_of(address, spec, explicit=managed.explicit)
