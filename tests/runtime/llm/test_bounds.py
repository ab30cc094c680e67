"""Bounds of tokens and of cost: never below what a provider can bill, and never above the context window."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.access.resource import Resource
from reconciler.kinds.provider.wires import WIRES
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.price import MOST, ModelFacts, Price, Rates, Tier
from reconciler.runtime.ledger.entries import Level, Refused
from reconciler.runtime.llm import money
from reconciler.runtime.llm.bounds import TOOLS_TOKENS
from reconciler.runtime.llm.money import Bound, Try, Unbounded, bound, cost_of, most_cost
from reconciler.runtime.llm.request import ENDPOINTS, Deployment, EndpointName, Medium, ModelRequest, Usage

FLAT = Price((Tier(0, Rates(3, 15)),))
FACTS = ModelFacts(FLAT, 100_000, 4_000)


def deployment(provider: str = "openai") -> Deployment:
    known = Known(Address("acme", "integration", "one"), "u-one", Text("{}", 1), "shop", True)
    return Deployment(Resource(known, {"provider": provider}), "m")


def request(text: str = "hello", endpoint: EndpointName = "chat", more: Any = None, **words: Any) -> ModelRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **(more or {})}
    raw = words.pop("raw", None) or json.dumps(body).encode()
    return ModelRequest(ENDPOINTS[endpoint], raw, json.loads(raw), "m", **words)


def bounded(
    asked: ModelRequest, provider: str = "openai", facts: ModelFacts = FACTS, route: int | None = None
) -> Bound:
    found = bound(asked, deployment(provider), facts, route)
    assert isinstance(found, Bound), found
    return found


@given(st.text(max_size=300), st.booleans(), st.sampled_from(["openai", "anthropic", "gemini", "custom"]))
def test_no_text_has_more_tokens(text: str, escaped: bool, provider: str) -> None:
    """A tokenizer makes at most one token of each byte of the text that it sees, normalised or not."""
    text = text.encode("utf-8", "ignore").decode()
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    raw = json.dumps(body, ensure_ascii=escaped).encode()
    found = bounded(request(raw=raw), provider, FACTS._replace(context_window=10**9))
    seen = text if provider == "openai" else unicodedata.normalize("NFKC", text)
    assert found.input >= max(len(text.encode()), len(seen.encode()))


def test_one_character_may_become_many() -> None:
    text = "\ufdfa" * 100
    assert bounded(request(text), "anthropic").input >= len(unicodedata.normalize("NFKC", text).encode())
    assert bounded(request(text), "openai").input < len(unicodedata.normalize("NFKC", text).encode())


@given(
    st.integers(0, 3),
    st.integers(0, 5_000),
    st.booleans(),
    st.integers(1, 300_000),
    st.integers(1, 9),
    st.none() | st.integers(1, 200_000),
    st.none() | st.integers(1, 200_000),
)
def test_a_bound_is_never_above_the_window(
    images: int, size: int, tools: bool, window: int, choices: int, agents: int | None, routes: int | None
) -> None:
    media = (Medium("image", 10),) * images
    asked = request("x" * size, media=media, has_tools=tools, choices=choices, most_output=agents)
    found = bounded(asked, facts=FACTS._replace(context_window=window), route=routes)
    wanted = len(asked.raw) - 10 * images + images * (WIRES["openai"].image_tokens or 0) + TOOLS_TOKENS * tools
    assert found.input == min(window, wanted)
    said = [one for one in (agents, routes) if one is not None]
    one = min(said) if said else FACTS.max_output_tokens
    assert one is not None
    assert found.output == min(window, one) * choices
    assert found.limit_to == (None if one == agents else one)
    assert found.cost == found.input * 3 + found.output * 15


UNSIZED = (Medium("file", 100), Medium("file", 0), Medium("audio", 0))


@pytest.mark.parametrize("medium", UNSIZED)
def test_what_has_no_size_is_the_whole_window(medium: Medium) -> None:
    assert bounded(request(media=(medium,))).input == 100_000
    found = bound(request(media=(medium,)), deployment(), FACTS._replace(context_window=None))
    assert isinstance(found, Unbounded)
    assert found.code == "bound-unknown"


def test_an_image_counts_as_the_most_that_its_provider_makes_of_one() -> None:
    image = Medium("image", 90)
    text = "x" * 200
    for provider, tokens in ((name, wire.image_tokens) for name, wire in WIRES.items() if wire.image_tokens):
        asked = request(text, media=(image,))
        assert bounded(asked, provider).input == len(asked.raw) - 90 + tokens
    assert bounded(request(media=(image,)), "mistral").input == 100_000


def test_output_without_any_bound_is_the_window_or_unknown() -> None:
    nothing = ModelFacts(FLAT, 100_000, None)
    assert bounded(request(), facts=nothing)[1:2] == (100_000,)
    assert bounded(request(), facts=nothing).limit_to is None
    found = bound(request(), deployment(), ModelFacts(FLAT, None, None))
    assert isinstance(found, Unbounded)
    assert "context window" in found.message
    assert bounded(request(most_output=7), facts=ModelFacts(FLAT, None, None)).output == 7


def test_an_endpoint_without_output_has_none() -> None:
    assert bounded(request(endpoint="embeddings"), facts=ModelFacts(FLAT, None, None)).output == 0


TIERED = Price(
    (
        Tier(0, Rates(300, 1500, cached=30, written=375, written_hour=600)),
        Tier(200_000, Rates(600, 2250, 60, 750, 1200)),
    ),
    request=7,
    services={"priority": (Tier(0, Rates(900, 4500)),)},
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.integers(0, 400_000))
    cached = draw(st.integers(0, total))
    written = draw(st.integers(0, total - cached))
    hour = draw(st.integers(0, written))
    output = draw(st.integers(0, 100_000))
    return Usage(total, cached, written, output, draw(st.integers(0, output)), hour)


@given(
    usages(), st.integers(0, 1000), st.integers(0, 1000), st.sampled_from(["", "auto", "default", "priority", "flex"])
)
def test_no_usage_within_the_bounds_costs_more(usage: Usage, spare: int, more: int, service: str) -> None:
    most = most_cost(TIERED, usage.input + spare, usage.output + more, service)
    assert most is not None
    tiers = {"": ["", "default", "priority"], "auto": ["priority", "default"]}.get(service, [service, "default"])
    for tier in tiers:
        cost = cost_of(TIERED, usage._replace(tier=tier))
        assert cost is not None
        assert cost <= most


def test_costs_are_exact() -> None:
    usage = Usage(input=1000, cached=400, written=100, output=50, reasoning=20, written_hour=40)
    assert cost_of(TIERED, usage) == 7 + 500 * 300 + 400 * 30 + 60 * 375 + 40 * 600 + 50 * 1500
    assert cost_of(TIERED, usage._replace(input=200_000)) == 7 + 199_500 * 300 + 12_000 + 22_500 + 24_000 + 75_000
    above = cost_of(TIERED, usage._replace(input=200_001))
    assert above == 7 + 199_501 * 600 + 400 * 60 + 60 * 750 + 40 * 1200 + 50 * 2250
    assert cost_of(TIERED, Usage(10, output=1, tier="priority")) == 7 + 9000 + 4500
    assert cost_of(FLAT, Usage(10, output=1, tier="priority")) is None
    assert most_cost(FLAT, 1, 1, "priority") is None
    assert cost_of(FLAT, Usage(2**70)) == MOST


COST = Level("acme", "tenant", "cost", "day", 100)
TOKENS = Level("acme", "tenant", "tokens", "day", 100)
REQUESTS = Level("acme", "integration/one", "requests", "day", 100)


def test_a_hold_has_the_amounts_of_its_levels() -> None:
    one = Try("c", 2, "bot", "route/fast", deployment(), 9.0)
    found = bounded(request(most_output=10))
    held = money.hold(one, (COST, TOKENS, REQUESTS), found)
    assert not isinstance(held, Unbounded)
    assert [level.amount for level in held.levels] == [found.cost, found.tokens, 1]
    assert (held.call, held.number, held.tenant, held.uid, held.integration) == (
        "c",
        2,
        "acme",
        "u-one",
        "integration/one",
    )
    assert money.billed(held, Usage(5, output=2), FLAT)[1:] == (7, 45)
    assert money.billed(held, Usage(5, output=2, tier="priority"), FLAT)[1:] == (7, held.cost)
    assert (money.nothing(held)[1:], money.kept(held)[1:]) == ((0, 0), (None, None))


def test_an_unknown_price_under_a_limit_of_cost_is_refused() -> None:
    one = Try("c", 1, "bot", "", deployment(), 9.0)
    found = bounded(request(), facts=FACTS._replace(price=None))
    refused = money.hold(one, (COST,), found)
    assert isinstance(refused, Unbounded)
    assert refused.code == "price-unknown"
    assert not isinstance(money.hold(one, (TOKENS,), found), Unbounded)


@pytest.mark.parametrize(
    ("why", "code", "retry", "says"),
    [
        ("exceeded", "limit-exceeded", False, "is used up"),
        ("busy", "limit-busy", True, "in flight"),
        ("unreachable", "limit-unreachable", False, "(900 in, 100 out) can never fit"),
        ("blocked", "limit-blocked", False, "acknowledge"),
    ],
)
def test_refusals_say_whether_to_come_again(why: Any, code: str, retry: bool, says: str) -> None:
    told = money.refusal(Refused(TOKENS._replace(amount=1000), 2, why), Bound(900, 100, None, 900))
    assert (told.code, told.retries) == (code, retry)
    assert says in told.message
    assert (told.retry_after == 2) == (why in {"exceeded", "busy"})
    if why == "unreachable":
        assert told.message.endswith("lower the input")
