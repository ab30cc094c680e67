"""Three checks in a row make a state worse, one makes it better."""

from __future__ import annotations

import pytest

from reconciler.model.health import DEGRADED, FAILING, HEALTHY, UNKNOWN, Check, Standing, after, by_latency


def run(*states: str) -> list[str]:
    standing: Standing | None = None
    found = []
    for moment, state in enumerate(states):
        standing = after(standing, Check(state, 5, "r"), float(moment))
        found.append(standing.state)
    return found


def test_three_failures_turn_a_state_and_one_success_turns_it_back() -> None:
    assert run(HEALTHY, FAILING, FAILING, FAILING, FAILING, HEALTHY) == [
        HEALTHY, HEALTHY, HEALTHY, FAILING, FAILING, HEALTHY,
    ]  # fmt: skip


def test_a_success_in_between_begins_the_count_anew() -> None:
    assert run(HEALTHY, FAILING, FAILING, HEALTHY, FAILING, FAILING) == [HEALTHY] * 6


def test_of_what_was_never_well_nothing_is_known_until_the_third_failure() -> None:
    assert run(FAILING, FAILING, FAILING) == [UNKNOWN, UNKNOWN, FAILING]


def test_slow_is_worse_than_well_and_better_than_failing() -> None:
    assert (
        run(HEALTHY, DEGRADED, DEGRADED, DEGRADED, FAILING, DEGRADED) == [HEALTHY, HEALTHY] + [HEALTHY] + [DEGRADED] * 3
    )
    assert run(FAILING, FAILING, FAILING, DEGRADED) == [UNKNOWN, UNKNOWN, FAILING, DEGRADED]


def test_since_is_when_the_state_turned() -> None:
    one = Standing(FAILING, 10.0, 20.0, 0, 5, "r")
    assert after(one, Check(FAILING, 5, "r"), 30.0) == Standing(FAILING, 10.0, 30.0, 0, 5, "r")
    assert after(one, Check(HEALTHY, 5, "r"), 30.0).since == 30.0


@pytest.mark.parametrize(("ms", "state"), [(2000, HEALTHY), (2001, DEGRADED), (5000, DEGRADED), (5001, FAILING)])
def test_latencies(ms: int, state: str) -> None:
    assert by_latency(ms).state == state
