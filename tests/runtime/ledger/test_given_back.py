"""A call that reached nothing gives back what it was charged: once, and from the window that it was charged in."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.codes import Code
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.ledger.entries import Level, Refused
from reconciler.runtime.ledger.judge import changes, given_back, key_of, keys_of, left
from reconciler.runtime.ledger.ledger import Admitted, Ledger, Unavailable
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
from tests.runtime.ledger.support import done, intent, with_ledger
from tests.runtime.worlds import BOT, WORLD, World, in_world

DAY = Level("acme", "caller/bot", "requests", "day", 2, counter="u-bot")
SLOT = Level("acme", "caller/bot", "concurrent", "", 5, counter="u-bot")


def charged(**words: Any) -> Any:
    return intent(levels=(DAY, SLOT), **words)


def test_a_charge_is_given_back_once(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        first, second = charged(), charged()
        for one in (first, second):
            assert isinstance(await ledger.admit(one), Admitted)
        assert isinstance(await ledger.admit(charged()), Refused)
        for _ in range(2):  # the reply to a COMMIT may be lost, and the outcome sent again
            ledger.settle(done(first, "blocked", charged=first))
            await ledger.admit(intent())
        ledger.settle(done(second, "failure"))
        await ledger.admit(intent())
        assert await ledger.used([DAY, SLOT]) == [1, 0]
        assert isinstance(await ledger.admit(charged()), Admitted)
        assert isinstance(await ledger.admit(charged()), Refused)

    with_ledger(db, work)


def test_what_ends_makes_room_in_the_same_flush(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        first, second = charged(), charged()
        await ledger.admit(first)
        await ledger.admit(second)
        ledger.settle(done(first, "blocked", charged=first))
        assert isinstance(await ledger.admit(charged()), Admitted)
        assert await ledger.used([DAY]) == [2]

    with_ledger(db, work)


def test_a_late_intent_costs_nothing(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ledger: Ledger) -> None:
        monkeypatch.setattr("reconciler.runtime.ledger.ledger.WAIT_SECONDS", 0.05)
        flush = ledger._backend.flush

        async def slow(batch: Any) -> Any:
            if batch.intents:
                await asyncio.sleep(0.2)
            return await flush(batch)

        ledger._backend.flush = slow  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await ledger.admit(charged())
        async with asyncio.timeout(5):
            while ledger._waiting or ledger._outcomes or ledger._flushes:
                await asyncio.sleep(0.05)
        assert await ledger.used([DAY]) == [0]

    with_ledger(db, work)


def test_the_window_is_that_of_the_charge() -> None:
    """Another window owes nothing to a charge that was made in one before it."""
    now, one = 1_000_000_000.0, charged(seconds=30.0)
    back = given_back([done(one, "blocked", charged=one)], {one.id: now - 86_400 + 30.0})
    assert [*back] == [key_of(DAY, now - 86_400)]
    assert keys_of([one], back, now) == sorted({key_of(DAY, now), key_of(SLOT, now), *back})
    used = {key_of(DAY, now): 2, key_of(DAY, now - 86_400): 0}
    assert changes(used, left(used, back), {}) == []  # nothing falls below zero


@pytest.mark.parametrize(
    ("code", "outcome", "effect", "used"),
    [
        ("address-refused", "blocked", False, 0),
        ("address-refused", "blocked", True, 1),
        ("unreachable", "failure", False, 1),
        ("unreachable", "unknown", True, 1),
        ("credential-unresolved", "failure", False, 0),
        ("credential-unresolved", "failure", True, 1),
    ],
)
def test_a_refused_call_costs_nothing(db: Db, folder: Path, code: Code, outcome: str, effect: bool, used: int) -> None:
    def refuses(call: Call) -> Answer:
        call.effect = effect
        raise Failed(code, "x", outcome)

    async def work(world: World) -> None:
        world.outside.does = refuses
        with pytest.raises(Refusal):
            await world.mediator.access(BOT, Ask("template/top"), {"region": "eu"})
        async with asyncio.timeout(5):
            while world.ledger._outcomes or world.ledger._flushes:
                await asyncio.sleep(0.01)
        (limit,) = await world.mediator.limits("acme")
        assert limit["used"] == used

    document = copy.deepcopy(WORLD)
    document["limits"] = {"day": {"target": "caller/bot", "per": "day", "requests": 9}}
    in_world(db, folder, work, document)
