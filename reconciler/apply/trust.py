"""A plan that came from a file, checked as if somebody hostile had written it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import orjson

from reconciler.errors import IntegrityFailed, Problem
from reconciler.kinds.accept import NormalForm, normal_form
from reconciler.kinds.table import KINDS
from reconciler.kinds.targets import targets_of
from reconciler.model.address import Address
from reconciler.model.plan import Action, Change, Plan
from reconciler.planner.needs import Needs
from reconciler.processes import BATCH, in_batches
from reconciler.remembered import remembered

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


def check(plan: Plan) -> Needs:
    """Every ``after`` is validated again, and has to be what its spec normalises to. Raises IntegrityFailed.

    Returns what the bodies refer to, since they have been read for this.
    """
    needs, doubtful = _checked(plan.changes)
    problems = [problem for change in doubtful for problem in _problems(change)]
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
    return needs


_BODY_STAYS = frozenset({Action.MOVE, Action.ADOPT})


def _checked(changes: Sequence[Change]) -> tuple[Needs, list[Change]]:
    """What each refers to, and those among which something is wrong; by several processes where there are many."""

    def work(batch: Sequence[Change]) -> bytes | None:
        if not all(_is_plain(change) or not any(True for _ in _problems(change)) for change in batch):
            return None
        return orjson.dumps([_targets(change) for change in batch])

    needs: dict[Address, list[Address]] = {}
    doubtful: list[Change] = []
    known = {str(change.address): change.address for change in changes}
    at = 0
    for found in in_batches(changes, work):
        batch = changes[at : at + BATCH]
        at += BATCH
        if found is None:
            doubtful += batch
            continue
        for change, targets in zip(batch, orjson.loads(found), strict=True):
            if change.new is not None or change.address not in needs:  # something may move to a name that is freed
                needs[change.address] = [known.get(target) or Address.of(target) for target in targets]
    return needs, doubtful


def _targets(change: Change) -> list[str]:
    address, text = change.address, change.new_text
    return [f"{address.tenant}/{target}" for target in targets_of(address.kind, text)] if text is not None else []


@remembered(4096)
def _is_normal(kind: str, text: str) -> bool | None:
    """Whether a body is what its spec normalises to; None where it is none of this kind at all."""
    found = normal_form(KINDS[kind], orjson.loads(text), Address("", kind, ""))
    return found.text == text if isinstance(found, NormalForm) else None


def _is_plain(change: Change) -> bool:
    """Whether there is nothing to say of a creation: most large plans are made of them."""
    return (
        change.action is Action.CREATE
        and change.old is None
        and change.previous is None
        and change.new is not None
        and change.address.kind in KINDS
        and _is_normal(change.address.kind, cast(str, change.new)) is True
    )


def _problems(change: Change) -> Iterator[Problem]:
    address = str(change.address)
    kind = KINDS.get(change.address.kind)
    if kind is None:
        yield Problem("plan-malformed", f"{address}: this reconciler knows no kind {change.address.kind!r}", address)
        return
    for value, rule in zip((change.old, change.new, change.previous), _SHAPES[change.action], strict=True):
        if rule is not None and (value is not None) is not rule:
            yield Problem("plan-malformed", f"{address}: this is not the form of a {change.action.value}", address)
            return
    if change.action in _BODY_STAYS and change.old != change.new:
        yield Problem("plan-malformed", f"{address}: a {change.action.value} must not change the body", address)
    if change.previous and (change.previous.tenant, change.previous.kind) != (
        change.address.tenant,
        change.address.kind,
    ):
        yield Problem("plan-malformed", f"{address}: a move stays in its tenant and kind", address)
    if change.new is None or change.action is Action.FORGET:
        return
    is_normal = _is_normal(kind.name, cast(str, change.new_text))
    if is_normal is None:
        yield Problem("plan-malformed", f"{address}: what the plan would write is not a valid {kind.name}", address)
    elif not is_normal:
        yield Problem("plan-malformed", f"{address}: what the plan would write is not in its normal form", address)
