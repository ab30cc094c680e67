"""Check a plan that came from a file as if somebody hostile had written it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias, cast

import orjson

from reconciler.batches import Map, in_batches
from reconciler.errors import IntegrityFailed, Problem
from reconciler.kinds.accept import NormalForm, normal_form
from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import targets_of
from reconciler.model.address import Address
from reconciler.model.plan import BODY_STAYS, Action, Change, Plan
from reconciler.planner.needs import Needs

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


class JudgedTrust(NamedTuple):
    """Whether a body is what its spec normalises to (None where it is none of its kind), and what it refers to."""

    is_normal: bool | None
    targets: tuple[str, ...]


Bodies: TypeAlias = Mapping[tuple[str, str], JudgedTrust]
"""By kind and text: bodies that are alike are judged once."""


def check(plan: Plan, mapper: Map = map) -> Needs:
    """Validate every ``after`` again, which has to be what its spec normalises to. Raises IntegrityFailed.

    Return what the bodies refer to, since they have been read for this.
    """
    bodies = _judged(plan.changes, mapper)
    problems = [
        problem for change in plan.changes if not _is_plain(change, bodies) for problem in _problems(change, bodies)
    ]
    reached = {change.address for change in plan.changes if change.previous}
    addresses = [c.address for c in plan.changes if c.action is not Action.DELETE or c.address not in reached]
    displaced = [c.address for c in plan.changes if c.action is Action.DELETE and c.address in reached]
    previous = [change.previous for change in plan.changes if change.previous]
    restored = [(change.address.tenant, change.restored_uid) for change in plan.changes if change.restored_uid]
    if any(len(set(named)) != len(named) for named in (addresses, displaced, previous, restored)):
        problems.append(Problem("plan-malformed", "the plan names an address or a uid twice"))
    left = set(previous)  # what moves away can only be followed by what is new there, or moves there
    problems.extend(
        Problem("plan-malformed", f"{change.address} moves and is changed", str(change.address))
        for change in plan.changes
        if change.address in left and change.action is not Action.CREATE and not change.previous
    )
    if problems:
        raise IntegrityFailed(*problems)
    return _needs(plan.changes, bodies)


def _judged(changes: Sequence[Change], mapper: Map) -> Bodies:
    """Judge every body that would be written."""

    def work(batch: Sequence[tuple[str, str]]) -> list[JudgedTrust]:
        return [_judge(kind, text) for kind, text in batch]

    written = [change for change in changes if change.new is not None and change.action is not Action.FORGET]
    bodies = [*dict.fromkeys((change.address.kind, cast(str, change.new)) for change in written)]
    return dict(zip(bodies, chain.from_iterable(in_batches(work, bodies, mapper)), strict=True))


def _judge(kind: str, text: str) -> JudgedTrust:
    if kind not in KINDS:
        return JudgedTrust(None, ())
    found = normal_form(KINDS[kind], orjson.loads(text), Address("", kind, ""))
    if not isinstance(found, NormalForm):
        return JudgedTrust(None, ())
    return JudgedTrust(found.text == text, targets_of(kind, text))


def _needs(changes: Sequence[Change], bodies: Bodies) -> Needs:
    """Return what each change's body refers to."""
    needs: dict[Address, list[Address]] = {}
    known = {str(change.address): change.address for change in changes}
    for change in changes:
        if change.new is None and change.address in needs:
            continue  # something moves to a name that is freed
        tenant, kind, _ = change.address
        text = change.new_text
        judged = bodies.get((kind, text)) if text is not None else JudgedTrust(None, ())
        targets = targets_of(kind, cast(str, text)) if judged is None else judged.targets
        names = [f"{tenant}/{target}" for target in targets]
        needs[change.address] = [known.get(name) or Address.of(name) for name in names]
    return needs


def _is_plain(change: Change, bodies: Bodies) -> bool:
    """Whether a creation has no problem: most large plans are made of them."""
    return (
        change.action is Action.CREATE
        and change.old is None
        and change.previous is None
        and change.new is not None
        and bodies[change.address.kind, cast(str, change.new)].is_normal is True
    )


def _problems(change: Change, bodies: Bodies) -> Iterator[Problem]:
    address = str(change.address)
    kind = KINDS.get(change.address.kind)
    if kind is None:
        yield Problem("plan-malformed", f"{address}: this reconciler knows no kind {change.address.kind!r}", address)
        return
    for value, rule in zip((change.old, change.new, change.previous), _SHAPES[change.action], strict=True):
        if rule is not None and (value is not None) is not rule:
            yield Problem("plan-malformed", f"{address}: this is not the form of a {change.action.value}", address)
            return
    if change.action in BODY_STAYS and change.old != change.new:
        yield Problem("plan-malformed", f"{address}: a {change.action.value} must not change the body", address)
    if change.previous and (change.previous.tenant, change.previous.kind) != (
        change.address.tenant,
        change.address.kind,
    ):
        yield Problem("plan-malformed", f"{address}: a move stays in its tenant and kind", address)
    if change.new is None or change.action is Action.FORGET:
        return
    is_normal = bodies[kind.name, cast(str, change.new)].is_normal
    if is_normal is None:
        yield Problem("plan-malformed", f"{address}: what the plan would write is not a valid {kind.name}", address)
    elif not is_normal:
        yield Problem("plan-malformed", f"{address}: what the plan would write is not in its normal form", address)
