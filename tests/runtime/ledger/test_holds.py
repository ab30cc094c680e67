"""What tries of model calls hold of limits, and how it is settled: on both databases, in the transaction of the intent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.model.price import MOST
from reconciler.runtime.ledger.entries import Hold, Level, Refused, Settlement
from reconciler.runtime.ledger.ledger import Admitted, Ledger, Unavailable
from reconciler.runtime.ledger.reservations import Reserved, settle
from reconciler.runtime.ledger.usage_rows import UsageRow
from tests.conftest import Db
from tests.runtime.ledger.support import done, intent, with_ledger

TOKENS = Level("acme", "tenant", "tokens", "month", 100)
COST = Level("acme", "integration/openai", "cost", "month", 1000, counter="u-openai")
REQUESTS = Level("acme", "integration/openai", "requests", "month", 3, counter="u-openai")
SLOT = Level("acme", "integration/openai", "concurrent", "", 1, counter="u-openai")


def hold_of(
    call: str, number: int = 1, tokens: int = 40, cost: int = 400, levels: Any = (TOKENS, COST), **words: Any
) -> Hold:
    """A try with bounds, held on every level that counts them."""
    amounts = {"tokens": tokens, "cost": cost}
    held = tuple(level._replace(amount=amounts.get(level.unit, 1)) for level in levels)
    whole = {
        "caller": "bot",
        "route": "route/fast",
        "model": "m",
        "integration": "integration/openai",
        "uid": "u-openai",
    }
    return Hold(
        **{
            "call": call,
            "number": number,
            "tenant": "acme",
            "levels": held,
            "seconds": 30.0,
            "tokens": tokens,
            "cost": cost,
        }
        | whole
        | words
    )


def call(**words: Any) -> Any:
    one = intent()
    return one._replace(hold=hold_of(one.id, **words))


async def counted(ledger: Ledger, *levels: Level) -> list[tuple[int, int]]:
    """What is used and what is held of each level, once all that waits is written."""
    await ledger.admit(intent())
    used = await ledger.used([*levels, *(level.held for level in levels)])
    return [*zip(used[: len(levels)], used[len(levels) :], strict=True)]


def why(answer: object) -> tuple[str, int] | None:
    return (answer.why, answer.retry_after) if isinstance(answer, Refused) else None


def test_what_is_held_becomes_what_was_used(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        first, second, third = call(), call(), call()
        for one in (first, second):
            assert isinstance(await ledger.admit(one), Admitted)
        assert await counted(ledger, TOKENS, COST) == [(0, 80), (0, 800)]
        assert why(await ledger.admit(third)) == ("busy", 2)
        ledger.settle_try(Settlement(first.hold, 7, 70))
        assert isinstance(await ledger.admit(third), Admitted)
        assert await counted(ledger, TOKENS, COST) == [(7, 80), (70, 800)]
        ledger.settle_try(Settlement(second.hold))  # cut: nobody knows what is billed
        ledger.settle_try(Settlement(third.hold, 0, 0))
        assert await counted(ledger, TOKENS, COST) == [(47, 0), (470, 0)]

    with_ledger(db, work)


def test_the_three_refusals(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        first = call()
        await ledger.admit(first)
        assert why(await ledger.admit(call(tokens=61))) == ("busy", 2)
        ledger.settle_try(Settlement(first.hold, 40, 0))
        refused = await ledger.admit(call(tokens=61))
        assert isinstance(refused, Refused)
        assert (refused.why, refused.level.unit) == ("exceeded", "tokens")
        never = await ledger.admit(call(tokens=101))
        assert isinstance(never, Refused)
        assert (never.why, never.level.amount) == ("unreachable", 101)
        assert why(await ledger.admit(call(tokens=60))) is None

    with_ledger(db, work)


def test_all_levels_or_none(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        before = db.sql("SELECT count(*) FROM intents")
        assert why(await ledger.admit(call(cost=1001))) == ("unreachable", pytest.approx(1, abs=32 * 86400))
        assert db.sql("SELECT count(*) FROM intents") == before
        assert db.sql("SELECT count(*) FROM reservations") == [(0,)]
        assert await counted(ledger, TOKENS, COST) == [(0, 0), (0, 0)]

    with_ledger(db, work)


def test_a_try_is_settled_once(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        one = call()
        await ledger.admit(one)
        for _ in range(2):
            ledger.settle_try(Settlement(one.hold, 7, 70))
            assert await counted(ledger, TOKENS, COST) == [(7, 0), (70, 0)]
        ledger.settle_try(Settlement(one.hold))
        assert await counted(ledger, TOKENS, COST) == [(7, 0), (70, 0)]

    with_ledger(db, work)


def test_later_tries_reserve_on_their_own(db: Db) -> None:
    """Requests and slots of the integration are those of the try; its slot ends with it."""

    async def work(ledger: Ledger) -> None:
        one = call(levels=(TOKENS, REQUESTS, SLOT))
        await ledger.admit(one)
        assert await ledger.used([REQUESTS, SLOT]) == [1, 1]
        second = hold_of(one.id, 2, levels=(TOKENS, REQUESTS, SLOT))
        assert why(await ledger.reserve(second)) == ("exceeded", 1)  # the slot is taken
        ledger.settle_try(Settlement(one.hold, 0, 0))
        assert isinstance(await ledger.reserve(second), Admitted)
        assert await ledger.used([REQUESTS, SLOT]) == [2, 1]
        assert await counted(ledger, TOKENS) == [(0, 40)]
        ledger.settle_try(Settlement(second, 11, 1))
        ledger.settle(done(one))
        assert await counted(ledger, TOKENS) == [(11, 0)]
        assert await ledger.used([REQUESTS, SLOT]) == [2, 0]

    with_ledger(db, work)


def test_billed_above_the_bound_is_charged_and_blocks_under_limits(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        one = call()
        await ledger.admit(one)
        ledger.settle_try(Settlement(one.hold, 41, 10))
        assert why(await ledger.admit(call(tokens=1, cost=1))) == ("blocked", 2)
        assert await counted(ledger, TOKENS, COST) == [(41, 0), (10, 0)]
        rows = db.sql("SELECT call, tenant, uid, integration, tokens, tokens_held, cost, cost_held FROM overshoots")
        assert rows == [(one.id, "acme", "u-openai", "integration/openai", 41, 40, 10, 400)]
        other = call(tokens=1, cost=1, integration="integration/azure", uid="u-azure")
        assert isinstance(await ledger.admit(other), Admitted)
        for levels in ((REQUESTS,), (TOKENS._replace(warns=True),)):  # no limit that stops counts what it is billed
            assert isinstance(await ledger.admit(call(tokens=1, levels=levels)), Admitted)
        db.sql("UPDATE overshoots SET acknowledged = 1")
        assert isinstance(await ledger.admit(call(tokens=1, cost=1)), Admitted)

    with_ledger(db, work)


def test_a_level_may_hold_less_than_the_bound(db: Db) -> None:
    """`reserve: expected`: what is used above that is charged, and is no breach of the provider's bound."""

    async def work(ledger: Ledger) -> None:
        one = intent()
        expected = hold_of(one.id)._replace(levels=(TOKENS._replace(amount=10),))
        await ledger.admit(one._replace(hold=expected))
        assert await counted(ledger, TOKENS) == [(0, 10)]
        ledger.settle_try(Settlement(expected, 39, 0))
        assert await counted(ledger, TOKENS) == [(39, 0)]
        assert db.sql("SELECT count(*) FROM overshoots") == [(0,)]

    with_ledger(db, work)


def test_what_a_dead_server_held_counts_as_used(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        dead, alive = call(seconds=-100.0), call()
        await ledger.admit(dead)
        await ledger.admit(alive)
        await ledger._backend.sweep(10.0, 1e9)
        assert await counted(ledger, TOKENS, COST) == [(40, 40), (400, 400)]
        ledger.settle_try(Settlement(dead.hold, 0, 0))
        assert await counted(ledger, TOKENS, COST) == [(40, 40), (400, 400)]
        rows = db.sql("SELECT id, caller, route, integration, model, kept_tokens, kept_cost, tries, error FROM usage")
        assert rows == [(dead.id, "bot", "route/fast", "integration/openai", "m", 40, 400, 1, "no-outcome")]

    with_ledger(db, work)


def test_the_window_is_that_of_the_reservation() -> None:
    row = Reserved(
        "c", 1, "acme", "bot", "", "m", "integration/openai", "u", 40, None, '[["tenant","tokens","2026-10",40]]'
    )
    hold = hold_of("c")
    settled = settle([row], {("c", 1): Settlement(hold, 5, 9)})
    assert settled.moved == {
        ("acme", "tenant", "tokens held", "2026-10"): -40,
        ("acme", "tenant", "tokens", "2026-10"): 5,
    }
    assert settle([row], {}).moved[("acme", "tenant", "tokens", "2026-10")] == 40


def test_a_late_try_holds_nothing(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ledger: Ledger) -> None:
        monkeypatch.setattr("reconciler.runtime.ledger.ledger.WAIT_SECONDS", 0.05)
        flush = ledger._backend.flush

        async def slow(batch: Any) -> Any:
            if batch.reserves:
                await asyncio.sleep(0.2)
            return await flush(batch)

        ledger._backend.flush = slow  # type: ignore[method-assign]
        one = call()
        with pytest.raises(Unavailable):
            await ledger.admit(one)
        with pytest.raises(Unavailable):
            await ledger.reserve(hold_of(one.id, 2))
        async with asyncio.timeout(5):
            while ledger._has_work or ledger._flushes:
                await asyncio.sleep(0.05)
        assert await ledger.used([TOKENS, TOKENS.held]) == [0, 0]
        assert db.sql("SELECT count(*) FROM reservations") == [(0,)]

    with_ledger(db, work)


def test_amounts_end_where_a_counter_does(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        wide = TOKENS._replace(cap=MOST, warns=True)
        for _ in range(3):
            one = call(tokens=MOST, levels=(wide,))
            assert isinstance(await ledger.admit(one), Admitted)
            ledger.settle_try(Settlement(one.hold, MOST, 0))
        assert (await counted(ledger, TOKENS))[0][0] == MOST

    with_ledger(db, work)


def test_usage_is_added_once(db: Db) -> None:
    row = UsageRow("acme", "metered", "bot", "c1", "route/fast", "integration/openai", "openai", "m", 10, cost=5)

    async def work(ledger: Ledger) -> None:
        ledger.add_usage(row)
        ledger.add_usage(row._replace(tokens_in=99))
        ledger.add_usage(row._replace(source="reported"))
        await ledger.admit(intent())
        found = db.sql("SELECT source, id, tokens_in, cost, first_ms FROM usage ORDER BY source")
        assert found == [("metered", "c1", 10, 5, None), ("reported", "c1", 10, 5, None)]

    with_ledger(db, work)
