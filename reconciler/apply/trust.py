"""A plan that came from a file, checked as if somebody hostile had written it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.errors import IntegrityFailed, Problem
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.body import canonical
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.spec import Spec
from reconciler.processes import in_processes

_SHAPES = {
    # before, after, previous: must be there (True), must not (False), may (None)
    Action.CREATE: (False, True, False),
    Action.UPDATE: (True, True, None),
    Action.REPLACE: (True, True, None),
    Action.DELETE: (True, False, False),
    Action.MOVE: (True, True, True),
    Action.ADOPT: (True, True, False),
    Action.FORGET: (None, None, False),
}


def check(plan: Plan) -> None:
    """Every ``after`` is validated again, and has to be what its spec normalises to. Raises IntegrityFailed."""
    problems = [problem for change in _doubtful(plan.changes) for problem in _problems(change)]
    addresses = [change.address for change in plan.changes]
    previous = [change.previous for change in plan.changes if change.previous]
    restored = [(change.address.tenant, change.restored_uid) for change in plan.changes if change.restored_uid]
    if any(len(set(named)) != len(named) for named in (addresses, previous, restored)):
        problems.append(Problem("plan-malformed", "the plan names an address or a uid twice"))
    left = set(previous)  # what moves away can only be followed by what is new there, or moves there
    problems.extend(
        Problem("plan-malformed", f"{change.address} moves and is changed", str(change.address))
        for change in plan.changes
        if change.address in left and change.action is not Action.CREATE and not change.previous
    )
    if problems:
        raise IntegrityFailed(*problems)


_BODY_STAYS = frozenset({Action.MOVE, Action.ADOPT})
BATCH = 200
MANY = 2_000
"""Changes; below that, other processes cost more time than they save."""


def _doubtful(changes: Sequence[Change]) -> Iterator[Change]:
    """Those among which something is wrong; found in several processes where there are many."""
    batches = [changes[at : at + BATCH] for at in range(0, len(changes), BATCH)]

    def work(batch: Sequence[Change]) -> bytes | None:
        return None if any(True for change in batch for _ in _problems(change)) else b""

    results = in_processes(batches, work) if len(changes) >= MANY else [None] * len(batches)
    for batch, result in zip(batches, results, strict=True):
        if result is None:
            yield from batch


def _problems(change: Change) -> Iterator[Problem]:
    address = str(change.address)
    kind = KINDS.get(change.address.kind)
    if kind is None:
        yield Problem("plan-malformed", f"{address}: this reconciler knows no kind {change.address.kind!r}", address)
        return
    for value, rule in zip((change.before, change.after, change.previous), _SHAPES[change.action], strict=True):
        if rule is not None and (value is not None) is not rule:
            yield Problem("plan-malformed", f"{address}: this is not the form of a {change.action.value}", address)
            return
    if change.action in _BODY_STAYS and canonical(change.before) != canonical(change.after):
        yield Problem("plan-malformed", f"{address}: a {change.action.value} must not change the body", address)
    if change.previous and (change.previous.tenant, change.previous.kind) != (
        change.address.tenant,
        change.address.kind,
    ):
        yield Problem("plan-malformed", f"{address}: a move stays in its tenant and kind", address)
    if change.after is None or change.action is Action.FORGET:
        return
    spec = parse(kind, change.after, change.address)
    if not isinstance(spec, Spec):
        yield Problem("plan-malformed", f"{address}: what the plan would write is not a valid {kind.name}", address)
    elif canonical(spec.normalised()) != canonical(change.after):
        yield Problem("plan-malformed", f"{address}: what the plan would write is not in its normal form", address)
