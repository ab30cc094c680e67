"""What is known of a model: the prices of `genai-prices`, read once for each model in use, and the operator's own.

Source: https://github.com/pydantic/genai-prices. Its data ships with it; nothing is fetched. `calc_price` takes 0.2 ms and its
import a second, so the tables are turned into integers once, and the package is imported when a price is asked for first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal, NamedTuple

from reconciler.access.memo import Memo
from reconciler.kinds.provider.wires import WIRES
from reconciler.load.price_settings import ModelPriceSettings, PriceSettings
from reconciler.model.price import PICO, ModelFacts, Price, Rates, Tier

MILLION = 10**6
_RATES: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok", "input_image_mtok", "input_video_mtok"),
    "output": (
        "output_mtok",
        "output_reasoning_mtok",
        "output_image_mtok",
        "output_video_mtok",
        "output_citation_mtok",
    ),
    "cached": ("cache_read_mtok", "cache_audio_read_mtok", "cache_image_read_mtok"),
    "written": ("cache_write_mtok",),
    "written_hour": ("cache_write_1h_mtok",),
    "input_audio": ("input_audio_mtok",),
    "output_audio": ("output_audio_mtok",),
}
"""The package's units behind each rate; of several that are priced, the highest counts."""
_APART = frozenset({"web_searches_kcount", "storage_searches_kcount"})
"""Units of tools that run at the provider, which are refused unless an integration allows them."""

Origin = Literal["settings", "exact", "family", "unknown"]


class Known(NamedTuple):
    """What is known of a model, and how: by the operator's ``settings``, an ``exact`` id, or its ``family``.

    ``matched`` is the id that the package knows it by. A price of a family that is not accepted is in ``offered`` and not in
    ``facts``.
    """

    facts: ModelFacts
    origin: Origin
    matched: str = ""
    offered: Price | None = None


@cache
def packaged() -> Sequence[Any]:
    """Return the providers of the package. It may not be installed: then nothing is known."""
    try:
        from genai_prices.data import providers
    except ImportError:
        return ()
    return providers


class PriceBook:
    """Answers what is known of models, each day anew: prices have a day on which they begin."""

    def __init__(
        self,
        settings: PriceSettings | None = None,
        source: Callable[[], Sequence[Any]] = packaged,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings or PriceSettings()
        self._source, self._now = source, now
        self._kept: Memo[tuple[Any, ...], Known] = Memo(4096)

    def facts(self, provider: str, model: str, base_url: str = "") -> ModelFacts:
        """Return what is known of a provider's model. ``base_url`` says whose model that of a `custom` integration is."""
        return self.known(provider, model, base_url).facts

    def known(self, provider: str, model: str, base_url: str = "") -> Known:
        """Return what is known of a provider's model, and how."""
        now = self._now()
        key = (provider, model, base_url if provider == "custom" else "", now.date())
        found = self._kept.get(key)
        if found is None:
            found = self._known(provider, model, base_url, now)
            self._kept.keep(key, found)
        return found

    def _known(self, provider: str, model: str, base_url: str, now: datetime) -> Known:
        own = self._settings.models.get(f"{provider}/{model}")
        if own is not None and own.input is not None and own.context_window and own.max_output_tokens:
            return Known(_merged(own, ModelFacts()), "settings")
        source = self._provider(provider, base_url)
        match, is_exact = _find(source, model, self._source()) if source is not None else (None, False)
        found = Known(ModelFacts(), "unknown")
        if match is not None:
            price = _price_of(match, now)
            is_accepted = is_exact or any(fnmatchcase(f"{provider}/{model}", one) for one in self._settings.accept)
            facts = ModelFacts(price if is_accepted else None, match.context_window if is_accepted else None)
            found = Known(facts, "exact" if is_exact else "family", match.id, price)
        return found if own is None else found._replace(facts=_merged(own, found.facts), origin="settings")

    def _provider(self, provider: str, base_url: str) -> Any | None:
        if provider == "custom":
            matching = (one for one in self._source() if one.api_pattern and re.match(one.api_pattern, base_url))
            return next(matching, None)
        wire = WIRES.get(provider)
        name = wire.prices if wire is not None else ""
        return next((one for one in self._source() if one.id == name), None)


def _merged(own: ModelPriceSettings, found: ModelFacts) -> ModelFacts:
    """Return what the operator says; of what nothing is said, what the package knows."""
    price = found.price
    if own.input is not None or own.output is not None:
        rates = (own.cached, own.written, own.written_hour)
        apart = (None if one is None else _per_token(one) for one in rates)
        given = Rates(_per_token(own.input or Decimal(0)), _per_token(own.output or Decimal(0)), *apart)
        price = Price((Tier(0, given),), _whole((own.request or Decimal(0)) * PICO))
    return ModelFacts(
        price, own.context_window or found.context_window, own.max_output_tokens or found.max_output_tokens
    )


def _find(provider: Any, model: str, every: Sequence[Any]) -> tuple[Any | None, bool]:
    """Return the package's model, and whether its entry lists exactly this id; a family's entry matches many."""
    text = model.lower()
    names = (provider.id, *(provider.fallback_model_providers or ()))
    sources = [one for name in names for one in every if one.id == name] or [provider]
    for source in sources:
        exact = next((one for one in source.models if text == one.id.lower() or text in _listed(one.match)), None)
        if exact is not None:
            return exact, True
        family = next((one for one in source.models if one.match.is_match(text)), None)
        if family is not None:
            return family, False
    return None, False


def _listed(clause: Any) -> Iterator[str]:
    """Yield the ids that a clause lists, in small letters."""
    if (text := getattr(clause, "equals", None)) is not None:
        yield text.lower()
    for inner in getattr(clause, "or_", ()):
        yield from _listed(inner)


def _price_of(model: Any, now: datetime) -> Price | None:
    """Return the price of a model of the package today; None where a unit is priced that no usage reports."""
    plain = _compiled(_in_force(model.prices, now))
    if plain is None:
        return None
    services = {}
    for variant in model.price_variants or ():
        service = variant.when.get("service_tier")
        is_active = variant.constraint is None or variant.constraint.active(now)
        own = {name: value for name, value in vars(variant.prices).items() if value is not None}
        if service is None or len(variant.when) != 1 or not is_active or not own or service in services:
            continue
        merged = _compiled([{**units, **own} for units in _in_force(model.prices, now)])
        if merged is not None:
            services[service] = merged[0]
    return Price(plain[0], plain[1], services)


def _in_force(prices: Any, now: datetime) -> list[Mapping[str, Any]]:
    """Return the prices that may count today, each as its units: several where they depend on the time of day.

    The last that is in force counts, as the package has it; one without a time of day ends the search.
    """
    if not isinstance(prices, list):
        return [vars(prices)]
    found = []
    for one in reversed(prices):
        by_time = one.constraint is not None and not hasattr(one.constraint, "start_date")
        if by_time or one.constraint is None or one.constraint.active(now):
            found.append(vars(one.prices))
            if not by_time:
                return found
    return [*found, vars(prices[0].prices)]


def _compiled(several: Sequence[Mapping[str, Any]]) -> tuple[tuple[Tier, ...], int] | None:
    """Return tiers and the price of a request: the highest of several prices, unit by unit."""
    priced = [{name: value for name, value in units.items() if value is not None} for units in several]
    known = {unit for units in _RATES.values() for unit in units} | _APART | {"requests_kcount"}
    if any(not known >= units.keys() or not {"input_mtok", "output_mtok"} & units.keys() for units in priced):
        return None
    starts = sorted({0} | {tier.start for units in priced for value in units.values() for tier in _tiers(value)})
    tiers = tuple(Tier(start, _rates(priced, start)) for start in starts)
    request = max((units.get("requests_kcount", Decimal(0)) for units in priced), default=Decimal(0))
    return tiers, _whole(Decimal(request) * PICO / 1000)


def _rates(priced: Sequence[Mapping[str, Any]], start: int) -> Rates:
    found: dict[str, int | None] = {}
    for rate, units in _RATES.items():
        values = [_at(one[unit], start) for one in priced for unit in units if unit in one]
        found[rate] = max(map(_per_token, values), default=None)
    return Rates(**{**found, "input": found["input"] or 0, "output": found["output"] or 0})  # type: ignore[arg-type]


def _tiers(value: Any) -> Sequence[Any]:
    return getattr(value, "tiers", ())


def _at(value: Any, start: int) -> Decimal:
    """Return the price of a unit above so many input tokens."""
    found: Decimal = getattr(value, "base", value)
    for tier in _tiers(value):
        if tier.start <= start:
            found = tier.price
    return found


def _per_token(per_million: Decimal) -> int:
    """Return pico-dollars a token, of US dollars a million tokens."""
    return _whole(per_million * PICO / MILLION)


def _whole(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))
