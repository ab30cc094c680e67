"""What a call is written down as, and what the next one is expected to use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.price import ModelFacts
from reconciler.runtime.ledger.entries import Hold, Level
from reconciler.runtime.llm import money
from reconciler.runtime.llm.accounts import Ending, Tried, usage_row
from reconciler.runtime.llm.expected import LEAST, MARGIN, MEMORY_BYTES, Expected
from reconciler.runtime.llm.money import Bound, Try, Unbounded
from reconciler.runtime.llm.request import Usage
from tests.runtime.llm.test_bounds import COST, FLAT, TOKENS, deployment, request


def held(number: int = 1, levels: tuple[Level, ...] = (TOKENS, COST), expected: Bound | None = None) -> Hold:
    one = Try("c", number, "bot", "route/fast", deployment(), 9.0)
    found = money.hold(one, levels, Bound(100, 10, 450, 80), expected)
    assert not isinstance(found, Unbounded)
    return found


def tried(number: int = 1) -> Try:
    return Try("c", number, "bot", "route/fast", deployment(), 9.0)


USAGE = Usage(60, 20, 5, 7, 3)


def test_a_call_of_several_tries_is_one_row() -> None:
    tries = [
        Tried(tried(1), money.nothing(held(1)), None, FLAT, was_sent=False),
        Tried(tried(2), money.kept(held(2)), None, FLAT),
        Tried(tried(3), money.billed(held(3), USAGE, FLAT), USAGE, FLAT),
    ]
    row = usage_row(tries, Ending(120, 30))
    assert (row.tenant, row.source, row.caller, row.id, row.route) == ("acme", "metered", "bot", "c", "route/fast")
    assert (row.integration, row.provider, row.model, row.tries) == ("integration/one", "openai", "m", 3)
    assert (row.tokens_in, row.cached, row.written, row.tokens_out, row.reasoning) == (60, 20, 5, 7, 3)
    assert (row.cost, row.kept_tokens, row.kept_cost) == (60 * 3 + 7 * 15, 110, 450)
    assert (row.latency_ms, row.first_ms, row.result, row.error) == (120, 30, "allowed", "")


def test_a_cost_that_nobody_knows_is_none() -> None:
    assert usage_row([Tried(tried(), None, None, FLAT)], Ending(1)).cost is None
    assert usage_row([Tried(tried(), None, USAGE, None)], Ending(1)).cost is None
    assert usage_row([Tried(tried(), None, None, FLAT, was_sent=False)], Ending(1)).cost == 0


def test_it_says_what_was_used_beyond_what_was_expected() -> None:
    levels = (TOKENS._replace(expected=True), COST._replace(expected=True), COST)
    hold = held(levels=levels, expected=Bound(20, 10, 210, 80))
    assert [level.amount for level in hold.levels] == [30, 210, 450]
    row = usage_row([Tried(tried(), money.billed(hold, USAGE, FLAT), USAGE, FLAT)], Ending(1))
    assert (row.above_tokens, row.above_cost) == (67 - 30, 285 - 210)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 2)), max_size=20))
def test_what_is_expected_is_between_a_quarter_and_the_bound(calls: list[tuple[int, float]]) -> None:
    expected, facts = Expected(), ModelFacts(FLAT, 10**6, 10)
    for size, share in calls:
        expected.note("acme", "route/fast", size, int(size * share))
    bound = Bound(1000, 10, 3150, 900)
    found = expected.of("acme", "route/fast", bound, request(), facts)
    assert 100 + int(900 * LEAST) <= found.input <= bound.input
    assert found.output == bound.output
    assert found.cost == found.input * 3 + found.output * 15


def test_it_follows_what_was_seen() -> None:
    expected = Expected()
    assert expected.per_byte("acme", "route/fast") == 1.0
    expected.note("acme", "route/fast", 1000, 400)
    assert expected.per_byte("acme", "route/fast") == MARGIN * 0.4
    assert expected.per_byte("globex", "route/fast") == 1.0
    for _ in range(40):
        expected.note("acme", "route/fast", MEMORY_BYTES, MEMORY_BYTES * 3 // 5)
    assert abs(expected.per_byte("acme", "route/fast") - MARGIN * 0.6) < 0.001
