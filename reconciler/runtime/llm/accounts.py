"""The usage row of a model call: what its tries were billed, what was kept for those of which nobody knows, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconciler.model.price import MOST, Price
from reconciler.runtime.ledger.entries import Settlement
from reconciler.runtime.ledger.usage_rows import METERED_HERE, UsageRow
from reconciler.runtime.llm.money import Try, cost_of
from reconciler.runtime.llm.request import Usage


class Tried(NamedTuple):
    """One try that has ended. ``settlement`` is None where no limit held anything, ``usage`` where none was reported.

    ``was_sent``: the provider may have seen it, and has not refused it before any output.
    """

    one: Try
    settlement: Settlement | None
    usage: Usage | None
    price: Price | None
    was_sent: bool = True


class Ending(NamedTuple):
    """How a call ended. ``first_ms`` is the time to the first output event, None without one; ``error`` a class of errors.

    ``result`` is allowed, warned or blocked.
    """

    latency_ms: int
    first_ms: int | None = None
    result: str = "allowed"
    error: str = ""


def usage_row(tried: Sequence[Tried], ending: Ending) -> UsageRow:
    """Return the row of a call with these tries, the last of which is the one that it names."""
    last = tried[-1].one
    integration = last.deployment.integration
    reported = [one for one in tried if one.usage is not None]
    costs = [None if one.price is None or one.usage is None else cost_of(one.price, one.usage) for one in reported]
    known = [cost for cost in costs if cost is not None]
    kept = [one.settlement.hold for one in tried if one.settlement is not None and one.settlement.tokens is None]
    above = [_above(one.settlement) for one in tried if one.settlement is not None]
    usages = [one.usage for one in reported if one.usage is not None]
    return UsageRow(
        *(integration.known.address.tenant, METERED_HERE, last.caller, last.call, last.route, integration.name),
        *(last.deployment.provider, last.deployment.model),
        tokens_in=_sum(one.input for one in usages),
        cached=_sum(one.cached for one in usages),
        written=_sum(one.written for one in usages),
        tokens_out=_sum(one.output for one in usages),
        reasoning=_sum(one.reasoning for one in usages),
        cost=_sum(known) if len(known) == len(costs) and (costs or not any(one.was_sent for one in tried)) else None,
        kept_tokens=_sum(one.tokens or 0 for one in kept),
        kept_cost=_sum(one.cost or 0 for one in kept),
        above_tokens=_sum(tokens for tokens, _ in above),
        above_cost=_sum(cost for _, cost in above),
        latency_ms=ending.latency_ms,
        first_ms=ending.first_ms,
        tries=len(tried),
        result=ending.result,
        error=ending.error,
    )


def _sum(numbers: Iterable[int]) -> int:
    return min(MOST, sum(numbers))


def _above(settlement: Settlement) -> tuple[int, int]:
    """Return the tokens and the cost that were used beyond what limits with `reserve: expected` held."""
    billed = {"tokens": settlement.tokens or 0, "cost": settlement.cost or 0}
    held = [level for level in settlement.hold.levels if level.expected]
    above = {
        unit: max([0, *(used - level.amount for level in held if level.unit == unit)]) for unit, used in billed.items()
    }
    return above["tokens"], above["cost"]
