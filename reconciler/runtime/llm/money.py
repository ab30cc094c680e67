"""What a try of a model call may cost at most, held before it is sent and settled by what was billed; and why it is refused.

A call asks ``bound`` for each deployment, puts ``hold`` into its intent (the first try) or gives it to ``Ledger.reserve`` (the next
tries), and settles each try once by ``billed``, ``nothing`` or ``kept``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reconciler.codes import Code
from reconciler.model.price import MOST, ModelFacts, Price, rates_at, reachable
from reconciler.runtime.ledger.entries import Hold, Level, Refused, Settlement
from reconciler.runtime.llm.bounds import input_bound, output_bound
from reconciler.runtime.llm.request import Deployment, ModelRequest, Usage

STANDARD_SERVICES = frozenset({"", "default", "standard", "standard_only", "flex", "batch"})
"""Service tiers that cost no more than the plain price."""
CHOSEN_THERE = frozenset({"", "auto"})
"""Requests that leave the service tier to a setting at the provider."""


class Bound(NamedTuple):
    """The most that one try can be billed. ``cost`` is in pico-dollars, None without a known price.

    ``size`` is the part of ``input`` that comes from text, in bytes. ``limit_to`` is what the request has to say as its bound
    on output tokens of one choice; None where it may stay as it is.
    """

    input: int
    output: int
    cost: int | None
    size: int
    limit_to: int | None = None

    @property
    def tokens(self) -> int:
        """Tokens in and out together."""
        return self.input + self.output


class Unbounded(NamedTuple):
    """Why there is no bound: ``code`` is bound-unknown or price-unknown, ``message`` says what is missing."""

    code: Code
    message: str


class LimitRefusal(NamedTuple):
    """A refusal near a limit. ``retries``: an SDK may send the same again after ``retry_after`` seconds."""

    code: Code
    retry_after: int | None
    retries: bool
    message: str


def bound(
    request: ModelRequest, deployment: Deployment, facts: ModelFacts, route_output: int | None = None
) -> Bound | Unbounded:
    """Return the most that a try at a deployment can be billed. ``route_output`` is the route's own bound on output tokens."""
    if request.endpoint.name == "count_tokens":
        return Bound(0, 0, 0, 0)  # counting is not billed
    given = input_bound(request, deployment.provider, facts.context_window)
    if given is None:
        return _no_window(request, deployment, "a medium of the request has no known size in tokens")
    out = output_bound(request, facts, route_output)
    if out is None:
        return _no_window(request, deployment, "the request says no bound on its output")
    cost = None if facts.price is None else most_cost(facts.price, given.tokens, out.tokens, service_of(request))
    return Bound(given.tokens, out.tokens, cost, given.size, out.limit_to)


def _no_window(request: ModelRequest, deployment: Deployment, why: str) -> Unbounded:
    name = f"{deployment.integration.name}: {deployment.model}"
    return Unbounded("bound-unknown", f"{why}, and the context window of {name} is not known")


def service_of(request: ModelRequest) -> str:
    """Return the service tier that a request asks for, "" where it leaves that open."""
    found = request.body.get("service_tier")
    return found if isinstance(found, str) else ""


def most_cost(price: Price, input_tokens: int, output_tokens: int, service: str = "") -> int | None:
    """Return the most that so many tokens can cost; None for a service tier of unknown price."""
    if service in CHOSEN_THERE:
        tiers = [price.tiers, *price.services.values()]
    elif service in STANDARD_SERVICES or service in price.services:
        tiers = [price.tiers, price.services.get(service, price.tiers)]
    else:
        return None
    rates = [one for of in tiers for one in reachable(of, input_tokens)]
    most_input, most_output = max(one.highest_input for one in rates), max(one.highest_output for one in rates)
    return min(MOST, price.request + input_tokens * most_input + output_tokens * most_output)


def cost_of(price: Price, usage: Usage) -> int | None:
    """Return what a usage costs, in pico-dollars; None for a service tier of unknown price."""
    tiers = price.services.get(usage.tier) or (price.tiers if usage.tier in STANDARD_SERVICES else None)
    if tiers is None:
        return None
    rates = rates_at(tiers, usage.input)
    hour = min(usage.written_hour, usage.written)
    apart_in = (
        (usage.cached, rates.cached),
        (usage.written - hour, rates.written),
        (hour, rates.written_hour or rates.written),
        (usage.input_audio, rates.input_audio),
    )
    cost = _total(usage.input, rates.input, apart_in) + _total(
        usage.output, rates.output, ((usage.output_audio, rates.output_audio),)
    )
    return min(MOST, price.request + cost)


def _total(tokens: int, rate: int, apart: Sequence[tuple[int, int | None]]) -> int:
    """Return the cost of tokens, of which some have a rate of their own."""
    priced = [(n, own) for n, own in apart if own is not None and n > 0]
    rest = max(0, tokens - sum(n for n, _ in priced))
    return rest * rate + sum(n * own for n, own in priced)


class Try(NamedTuple):
    """One try of a call: ``call`` is the id of its intent, ``number`` counts from 1, ``route`` is `route/NAME` or "".

    ``seconds`` is when it is over at the latest.
    """

    call: str
    number: int
    caller: str
    route: str
    deployment: Deployment
    seconds: float


def hold(one: Try, levels: Sequence[Level], bound: Bound, expected: Bound | None = None) -> Hold | Unbounded:
    """Return what a try has to reserve. ``levels`` are those of ``limits.levels_of_try``, and get their amounts here.

    ``expected`` (``Expected.of``) is what levels with `reserve: expected` hold in place of the bound.
    """
    integration, model = one.deployment.integration, one.deployment.model
    if bound.cost is None and any(level.unit == "cost" for level in levels):
        return Unbounded(
            "price-unknown", f"{integration.name}: the price of {model} is not known, and a limit counts cost"
        )
    return Hold(
        *(one.call, one.number, integration.known.address.tenant, one.caller, one.route, model, integration.name),
        integration.known.uid,
        tuple(_with_amount(level, expected if level.expected and expected is not None else bound) for level in levels),
        *(one.seconds, bound.tokens, bound.cost),
    )


def _with_amount(level: Level, bound: Bound) -> Level:
    if level.unit == "tokens":
        return level._replace(amount=bound.tokens)
    return level._replace(amount=bound.cost or 0) if level.unit == "cost" else level


def billed(hold: Hold, usage: Usage, price: Price | None) -> Settlement:
    """Settle a try by the usage that its provider reported last. A cost that is not known is the one that was held."""
    cost = None if price is None else cost_of(price, usage)
    return Settlement(hold, usage.input + usage.output, hold.cost if cost is None else cost)


def nothing(hold: Hold) -> Settlement:
    """Settle a try that its provider refused before any output."""
    return Settlement(hold, 0, 0)


def kept(hold: Hold) -> Settlement:
    """Settle a try that timed out or was cut: what was held is used."""
    return Settlement(hold)


def received(bound: Bound, begun: Usage | None, size: int) -> Usage:
    """Estimate what a stream used that broke off (`settle_cut: received`): all of its input, and the text that arrived.

    ``begun`` is its last report, None without one; ``size`` the bytes of text. What a provider made and never sent is not in it.
    """
    usage = begun or Usage(input=bound.input)
    return usage._replace(output=max(usage.output, min(bound.output, size)))


_WHY: dict[Literal["exceeded", "busy", "unreachable", "blocked"], Code] = {
    "exceeded": "limit-exceeded",
    "busy": "limit-busy",
    "unreachable": "limit-unreachable",
    "blocked": "limit-blocked",
}


def refusal(refused: Refused, bound: Bound | None = None) -> LimitRefusal:
    """Return what an agent is told of a refusal by a limit."""
    level, code = refused.level, _WHY[refused.why]
    name = f"the limit on {level.unit}{f' per {level.per}' if level.per else ''} of {level.target}"
    if refused.why == "busy":
        return LimitRefusal(code, refused.retry_after, True, f"{name} has room once calls in flight have ended")
    if refused.why == "blocked":
        return LimitRefusal(
            code,
            None,
            False,
            f"{level.target} was billed more than a call had reserved; operators have to acknowledge that",
        )
    if refused.why == "unreachable":
        parts = f" ({bound.input} in, {bound.output} out)" if bound is not None else ""
        lower = "the bound on output tokens" if bound is None or bound.output >= bound.input else "the input"
        return LimitRefusal(
            code,
            None,
            False,
            f"one call of up to {level.amount} {level.unit}{parts} can never fit {name}: lower {lower}",
        )
    return LimitRefusal(code, refused.retry_after, False, f"{name} is used up")
