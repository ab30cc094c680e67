"""The risks of a change: what its action does, and what its kind says of the values before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import orjson
from msgspec.structs import replace

from reconciler.kinds.table import KINDS
from reconciler.model.body import Body, leaves
from reconciler.model.plan import Action, Change
from reconciler.model.risk import ABSENT, RiskRule, in_order
from reconciler.model.secret_ref import SCHEMES
from reconciler.processes import in_batches

_ACTIONS = {Action.DELETE: "deletes", Action.REPLACE: "replaces", Action.FORGET: "lets-go"}


def risks_of(change: Change) -> tuple[str, ...]:
    """The names, gravest first; nothing of the change's own ``risks`` counts."""
    return in_order({*_of_action(change), *_of_bodies(change)})


def with_risks(changes: Sequence[Change]) -> list[Change]:
    """The same changes with their risks; judged by several processes where they are many."""

    def work(batch: Sequence[Change]) -> bytes:
        return orjson.dumps([risks_of(change) for change in batch])

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


@cache
def _judges_creations(kind: str) -> bool:
    return any(rule.whole for rule in KINDS[kind].risks)


def _of_action(change: Change) -> Iterator[str]:
    if change.action in _ACTIONS and not change.is_lost:
        yield _ACTIONS[change.action]
    if change.adopted_from:
        yield "takes-over"
    overwrites = change.action in {Action.UPDATE, Action.REPLACE, Action.DELETE}
    if change.outside is not None and overwrites:
        yield "overwrites-outside"


def _of_bodies(change: Change) -> Iterator[str]:
    if change.action in {Action.FORGET, Action.ADOPT, Action.MOVE}:
        return
    if change.old is None and not _judges_creations(change.address.kind):
        return  # its body stays text
    rules = KINDS[change.address.kind].risks
    before, after = change.before, change.after
    if before is not None and after is not None:
        if before.get("protected") is True and after.get("protected") is not True:
            yield "protection-removed"
        if _secrets(before) != _secrets(after) or any(field.op == "secret" for field in change.fields):
            yield "credential-changed"
    for rule in rules:
        if rule.whole or (before is not None and after is not None):
            yield from _judged(rule, before, after, change.action is Action.REPLACE)


def _judged(rule: RiskRule, before: Body | None, after: Body | None, replaced: bool) -> Iterator[str]:
    sides = (dict(_at(before, rule.path, ())), dict(_at(after, rule.path, ())))
    # two types have other fields, which says nothing of what either side may do
    places = {*sides[0]} & {*sides[1]} if replaced else {*sides[0], *sides[1]}
    for place in sorted(places):
        before_here, after_here = (side.get(place, ABSENT) for side in sides)
        try:
            found = [*rule.judge(before_here, after_here)]
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            # somebody wrote into the database what is no value of this field: as good as none
            found = [*rule.judge(ABSENT, after_here)]
        yield from found


def _at(value: Any, pattern: tuple[str, ...], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not pattern:
        yield place, value
    elif isinstance(value, Mapping):
        for key in value if pattern[0] == "*" else [pattern[0]] if pattern[0] in value else []:
            yield from _at(value[key], pattern[1:], (*place, key))


def _secrets(body: Body) -> frozenset[tuple[Any, ...]]:
    """Where references to secrets stand, and which."""
    return frozenset(
        (path, value)
        for path, value in leaves(body)
        if isinstance(value, str) and value.partition("://")[0] in SCHEMES and "://" in value
    )
