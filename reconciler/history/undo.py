"""``rollback`` and ``revert``: what was managed before, turned into a configuration that plans like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import PlanStale, Problem, ReconcilerError
from reconciler.history.managed import Managed, managed_at
from reconciler.kinds.parse import parse, upgrade
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.history import Generation, History
from reconciler.model.live import Live
from reconciler.model.resource import Resource
from reconciler.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Undoing:
    """What to plan for: the configuration, where live resources move to, the uids that come back, and what is undone."""

    configuration: Configuration
    moves: Mapping[Address, Address]
    uids: Mapping[Address, str]
    undone: tuple[Generation, ...]


def rollback(target: int, history: History, live: Live, base: Configuration) -> Undoing:
    """The managed state as of the end of generation ``target`` (0: nothing). ``base`` names project and environment.

    Raises ReconcilerError for a generation that never was, or that is no longer kept. What another project owns by now
    stays with it.
    """
    if not 0 <= target <= history.newest:
        raise ReconcilerError(
            f"the project {base.project!r} has no generation {target}",
            code="no-such-generation",
            hint=f"the newest is {history.newest}",
        )
    if 0 < target < history.horizon:
        raise _pruned(target, history, f"the oldest that can be rolled back to is {history.horizon}")
    wanted = {
        address: managed
        for address, managed in managed_at(history.changes, target).items()
        if live.owner(_now(managed.uid, live) or address) is None
    }
    return _undoing(wanted, live, base, tuple(g for g in history.generations if g.number > target))


def _pruned(number: int, history: History, hint: str) -> ReconcilerError:
    return ReconcilerError(
        f"what generation {number} changed is no longer kept: history was pruned up to generation {history.horizon}",
        code="history-pruned",
        hint=hint,
    )


def revert(number: int, history: History, live: Live, base: Configuration) -> Undoing:
    """What is managed now, without what generation ``number`` did. Raises PlanStale where later ones overlap."""
    changes = history.changes
    if number not in history.by_number:
        raise ReconcilerError(f"the project {base.project!r} has no generation {number}", code="no-such-generation")
    if number <= history.horizon:
        raise _pruned(number, history, f"the oldest that can be reverted is {history.horizon + 1}")
    touched = {a for c in changes if c.generation == number for a in (c.address, c.previous) if a}
    later = [c for c in changes if c.generation > number and {c.address, c.previous} & touched]
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
    wanted |= {a: m for a, m in managed_at(changes, number - 1).items() if a in touched}
    return _undoing(wanted, live, base, (history.by_number[number],))


def _now(uid: str, live: Live) -> Address | None:
    return next((address for address, row in live.rows.items() if row.uid == uid), None)


def _undoing(
    wanted: Mapping[Address, Managed], live: Live, base: Configuration, undone: tuple[Generation, ...]
) -> Undoing:
    where = {row.uid: address for address, row in live.rows.items() if live.owns(address)}
    moves = {
        where[managed.uid]: address
        for address, managed in wanted.items()
        if managed.uid in where and where[managed.uid] != address
    }
    resources = {address: _resource(address, managed) for address, managed in sorted(wanted.items())}
    configuration = Configuration(base.project, base.environment, resources, ignore=base.ignore, guards=base.guards)
    return Undoing(configuration, moves, {a: m.uid for a, m in wanted.items()}, undone)


def _resource(address: Address, managed: Managed) -> Resource:
    kind = KINDS.get(address.kind)
    spec = parse(kind, upgrade(kind, managed.body, 1), address) if kind else ()
    if not isinstance(spec, Spec):
        raise ReconcilerError(
            Problem(
                "history-invalid",
                f"{address} as it was applied then is no longer valid",
                str(address),
                hint="write it anew in the configuration, or roll back with --target for the others",
            )
        )
    return Resource(address, spec, authored=managed.explicit)
