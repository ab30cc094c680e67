"""Prices of models, in integer pico-dollars (10^-12 US dollars): what a call may cost at most, and what it did cost."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

PICO = 10**12
"""Pico-dollars of a dollar. A price of one dollar a million tokens is 1,000,000 pico-dollars a token."""
MOST = 2**62
"""The largest amount that a counter holds: $4.6 million of cost. What is above counts as this much."""


class Rates(NamedTuple):
    """Pico-dollars a token. A rate of None is not priced apart: the tokens count as plain input or output."""

    input: int
    output: int
    cached: int | None = None
    written: int | None = None
    written_hour: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None

    @property
    def highest_input(self) -> int:
        """The most that one input token can cost."""
        return max(one or 0 for one in (self.input, self.cached, self.written, self.written_hour, self.input_audio))

    @property
    def highest_output(self) -> int:
        """The most that one output token can cost."""
        return max(self.output, self.output_audio or 0)


class Tier(NamedTuple):
    """The rates of all tokens of a request with more than ``above`` input tokens."""

    above: int
    rates: Rates


class Price(NamedTuple):
    """The prices of one model at one provider.

    ``tiers`` are sorted by ``above``, and the first is that of every request. ``request`` is what each request costs besides.
    ``services`` has the tiers of service tiers that have prices of their own, by the provider's name, e.g. `priority`.
    """

    tiers: tuple[Tier, ...]
    request: int = 0
    services: Mapping[str, tuple[Tier, ...]] = MappingProxyType({})


class ModelFacts(NamedTuple):
    """What is known of a model at a provider; None is unknown."""

    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None


def reachable(tiers: tuple[Tier, ...], input_tokens: int) -> list[Rates]:
    """Return the rates that a request with at most so many input tokens may be billed by."""
    return [tier.rates for number, tier in enumerate(tiers) if number == 0 or tier.above < input_tokens]


def rates_at(tiers: tuple[Tier, ...], input_tokens: int) -> Rates:
    """Return the rates that a request with exactly so many input tokens is billed by."""
    return reachable(tiers, input_tokens)[-1]
