"""Breakers, by a clock of the test's own, and what a call behind an open one costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.access.decide import Ask
from reconciler.access.target import Target
from reconciler.runtime.breakers import FIRST_SECONDS, LONGEST_SECONDS, Breakers
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
from tests.runtime.worlds import BOT, World, in_world


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def target(name: str = "template/top", uid: str = "u-warehouse", tenant: str = "acme") -> Target:
    connector = SimpleNamespace(known=SimpleNamespace(uid=uid))
    return cast(Target, SimpleNamespace(tenant=tenant, name=name, connector=connector))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(clock, lambda: 0.0)


def fail(
    breakers: Breakers, times: int, one: Target | None = None, code: str = "unreachable", status: int | None = None
) -> None:
    for _ in range(times):
        breakers.note(one or target(), code, status)


def test_five_failures_in_ten_seconds_open_it(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, 4)
    assert breakers.retry_after(target()) is None
    clock.now += 10
    fail(breakers, 1)
    assert breakers.retry_after(target()) == 10
    assert (breakers.open, breakers.opened) == ({"acme": 1}, {"acme": 1})


def test_five_failures_in_more_than_that_do_not(breakers: Breakers, clock: Clock) -> None:
    for _ in range(20):
        fail(breakers, 1)
        clock.now += 2.6
    assert breakers.retry_after(target()) is None


def test_it_stops_the_connector_for_its_tenant_alone(breakers: Breakers) -> None:
    fail(breakers, 5)
    assert breakers.retry_after(target("template/add")) == 10
    assert breakers.retry_after(target(uid="u-other")) is None
    assert breakers.retry_after(target(tenant="globex")) is None


def test_timeouts_count_for_their_target_alone(breakers: Breakers) -> None:
    fail(breakers, 5, code="timeout")
    assert breakers.retry_after(target()) == 10
    assert breakers.retry_after(target("template/add")) is None


@pytest.mark.parametrize(
    ("code", "status"),
    [("upstream-failed", 404), ("credential-refused", 401), ("upstream-limited", 429), ("tool-failed", None), ("query-failed", None), ("", 200)],
)  # fmt: skip
def test_other_ends_of_calls_count_nowhere(breakers: Breakers, code: str, status: int | None) -> None:
    fail(breakers, 50, code=code, status=status)
    assert breakers.retry_after(target()) is None


def test_5xx_count(breakers: Breakers) -> None:
    fail(breakers, 5, code="upstream-failed", status=503)
    assert breakers.retry_after(target()) == 10


def test_checks_try_it_and_waits_double(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, 5)
    assert [*breakers.due()] == []
    waits = []
    for _ in range(7):
        clock.now = breakers._breakers["acme", "u-warehouse", ""].open_until or 0.0
        ((key, _),) = breakers.due()
        before = clock.now
        breakers.tried(key, is_well=False)
        waits.append(round((breakers._breakers[key].open_until or 0.0) - before))
    assert waits == [20, 40, 80, 160, 300, 300, 300]
    assert breakers.retry_after(target()) == 300
    breakers.tried(key, is_well=True)
    assert breakers.retry_after(target()) is None


@pytest.mark.parametrize(("spread", "wait"), [(-1.0, 8), (1.0, 12)])
def test_servers_do_not_try_all_at_once(clock: Clock, spread: float, wait: int) -> None:
    breakers = Breakers(clock, lambda: spread)
    fail(breakers, 5)
    assert breakers.retry_after(target()) == wait
    assert FIRST_SECONDS == 10
    assert LONGEST_SECONDS == 300


def test_what_no_longer_fails_is_forgotten(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, 4)
    clock.now += 11
    assert [*breakers.due()] == []
    assert breakers._breakers == {}


def test_an_open_breaker_refuses_before_the_intent(db: Db, folder: Path) -> None:
    """Nothing goes out, nothing is charged, and evidence says why; no call is the experiment that closes it."""

    def broken(_call: Call) -> Answer:
        raise Failed("unreachable", "it can't be reached")

    async def work(world: World) -> None:
        clock = Clock()
        world.mediator.breakers = Breakers(clock, lambda: 0.0)
        world.outside.does = cast(Callable[[Call], Any], broken)

        async def refused() -> Refusal:
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(BOT, Ask("template/top", None), {"region": "eu"})
            return caught.value

        assert [(await refused()).code for _ in range(5)] == ["unreachable"] * 5
        clock.now += 60  # the time to try it is over, and nobody has
        one = await refused()
        assert (one.code, one.retry_after) == ("breaker-open", 1)
        assert len(world.outside.seen) == 5
        evidence = await world.evidence()
        assert (evidence[0]["decision"], evidence[0]["reason"]) == ("deny", "breaker-open")
        assert world.store.sql("SELECT count(*) FROM intents") == [(5,)]
        assert world.metrics.calls["denied"] == 1
        ((key, connector),) = world.mediator.breakers.due()
        assert connector.name == "connector/warehouse"
        world.mediator.breakers.tried(key, is_well=True)
        world.outside.does = lambda _call: Answer([], 0, 2)
        await world.mediator.access(BOT, Ask("template/top", None), {"region": "eu"})
        await asyncio.sleep(0)

    in_world(db, folder, work)
