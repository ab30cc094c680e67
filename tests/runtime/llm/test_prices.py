"""Prices of models: the package's own sums, from integers that were compiled once; the operator's prices above them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from genai_prices import Usage as PackagedUsage
from genai_prices.data import providers
from genai_prices.types import ClauseContains, ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint
from genai_prices.types import Provider as PackagedProvider

from reconciler.load.price_settings import ModelPriceSettings, PriceSettings
from reconciler.model.price import PICO, ModelFacts
from reconciler.runtime.llm.money import cost_of, most_cost
from reconciler.runtime.llm.prices import PriceBook
from reconciler.runtime.llm.request import Usage

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
PLAIN = {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "requests_kcount"}
BESIDE = {"web_searches_kcount", "storage_searches_kcount"}
OURS = {"openai": "openai", "anthropic": "anthropic", "mistral": "mistral", "cohere": "cohere", "gemini": "google"}
USES = [Usage(*numbers) for numbers in product((2, 199_999, 300_000), (0, 1), (0, 1), (0, 7, 50_000))]


def book(**settings: Any) -> PriceBook:
    return PriceBook(PriceSettings(**settings), now=lambda: NOW)


def _units(model: Any) -> set[str]:
    prices = model.prices if isinstance(model.prices, list) else [SimpleNamespace(prices=model.prices)]
    return {name for one in prices for name, value in vars(one.prices).items() if value is not None}


MODELS = [
    (own, model.id)
    for own, theirs in OURS.items()
    for source in providers
    if source.id == theirs
    for model in source.models
    if _units(model) <= PLAIN | BESIDE and {"input_mtok", "output_mtok"} <= _units(model)
]


def test_there_are_models_to_compare() -> None:
    assert len(MODELS) > 100


@pytest.mark.parametrize("service", ["", "priority", "flex"])
def test_a_cost_is_the_packages(service: str) -> None:
    """Of every model, with and without tiers, caches and service tiers: never less, and a rounded token more at most."""
    compared = 0
    for own, name in MODELS:
        known = book().known(own, name)
        source = next(one for one in providers if one.id == OURS[own])
        model = next(one for one in source.models if one.id == name)
        assert known.origin == "exact"
        assert known.facts.price is not None
        if service and service not in known.facts.price.services:
            continue
        for use in USES:
            usage = use._replace(tier=service)
            theirs = model.calc_price(
                PackagedUsage(
                    input_tokens=usage.input,
                    cache_read_tokens=usage.cached,
                    cache_write_tokens=usage.written,
                    output_tokens=usage.output,
                ),
                source,
                genai_request_timestamp=NOW,
                price_context={"service_tier": service} if service else None,
            ).total_price
            ours = cost_of(known.facts.price, usage)
            assert ours is not None
            assert 0 <= ours - theirs * PICO <= usage.input + usage.output + 1, (own, name, usage)
            most = most_cost(known.facts.price, usage.input, usage.output, service)
            assert most is not None
            assert most >= ours
            compared += 1
    assert compared > 100


def test_a_familys_price_counts_once_it_is_accepted() -> None:
    unasked = book().known("bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0")
    assert (unasked.origin, unasked.facts) == ("family", ModelFacts())
    assert unasked.offered is not None
    accepted = book(accept=("bedrock/eu.anthropic.*",)).known("bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0")
    assert accepted.facts.price == unasked.offered
    other = book(accept=("bedrock/us.*",)).known("bedrock", "eu.anthropic.claude-sonnet-4-20250514-v1:0")
    assert other.facts.price is None


@pytest.mark.parametrize(
    ("provider", "model"), [("ollama", "llama3"), ("openai", "gpt-of-tomorrow"), ("azure_openai", "prod-chat")]
)
def test_what_nobody_knows_is_unknown(provider: str, model: str) -> None:
    assert book().facts(provider, model) == ModelFacts()


def test_the_operators_price_counts() -> None:
    own = ModelPriceSettings(input=Decimal("3"), output=Decimal("12"), cached=Decimal("0.3"), max_output_tokens=4096)
    facts = book(models={"openai/gpt-5": own}).facts("openai", "gpt-5")
    assert facts.price is not None
    assert cost_of(facts.price, Usage(10, 4, 0, 2)) == 6 * 3_000_000 + 4 * 300_000 + 2 * 12_000_000
    assert facts.price.services == {}, "the package's service tiers say nothing of another price"
    assert (facts.context_window, facts.max_output_tokens) == (400_000, 4096)


def test_bounds_alone_leave_the_packages_price() -> None:
    own = ModelPriceSettings(max_output_tokens=100)
    facts = book(models={"openai/gpt-5": own}).facts("openai", "gpt-5")
    assert facts == book().facts("openai", "gpt-5")._replace(max_output_tokens=100)


def test_a_custom_provider_is_known_by_its_address() -> None:
    assert book().facts("custom", "llama-3.1-8b-instant", "https://api.groq.com/openai/v1").price is not None
    assert book().facts("custom", "llama-3.1-8b-instant", "https://models.internal/v1").price is None


def _priced(*prices: ConditionalPrice) -> PriceBook:
    model = ModelInfo("m", ClauseContains("m"), prices=[*prices])
    return PriceBook(source=lambda: [PackagedProvider("openai", "x", "x", models=[model])], now=lambda: NOW)


def test_a_price_counts_from_its_day_on() -> None:
    days = [StartDateConstraint(NOW.date().replace(day=day)) for day in (1, 30)]
    prices = [ConditionalPrice(one, prices=ModelPrice(input_mtok=Decimal(n))) for n, one in enumerate(days, 1)]
    late = ConditionalPrice(
        StartDateConstraint(NOW.date().replace(year=2027)), prices=ModelPrice(input_mtok=Decimal(9))
    )
    facts = _priced(*prices, late).facts("openai", "m")
    assert facts.price is not None
    assert facts.price.tiers[0].rates.input == 2_000_000


def test_a_unit_that_no_usage_reports_has_no_price() -> None:
    prices = ModelPrice(input_mtok=Decimal(1), input_audio_hours=Decimal(1))
    assert _priced(ConditionalPrice(prices=prices)).facts("openai", "m").price is None


def test_at_any_time_of_the_day_the_highest_counts() -> None:
    source = next(one for one in providers if one.id == "deepseek")
    timed = [one for one in source.models if isinstance(one.prices, list) and len(one.prices) > 1]
    assert timed
    asked = PriceBook(now=lambda: NOW)
    for model in timed:
        known = asked.known("custom", model.id, "https://api.deepseek.com")
        assert known.facts.price is not None
        for hour in range(24):
            at = NOW.replace(hour=hour)
            theirs = model.calc_price(
                PackagedUsage(input_tokens=9, output_tokens=5), source, genai_request_timestamp=at
            )
            assert (cost_of(known.facts.price, Usage(9, output=5)) or 0) >= theirs.total_price * PICO
