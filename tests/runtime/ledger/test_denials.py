"""Refusals alike are counted, and every id that an agent was given resolves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.runtime.ledger import denials as module
from reconciler.runtime.ledger.denials import Denials
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.reading import evidence, one
from tests.conftest import Db
from tests.runtime.ledger.support import denial, store_of, with_ledger


def test_every_id_resolves_at_once_and_counts_in_the_end(db: Db) -> None:
    given: list[str] = []

    async def work(ledger: Ledger) -> None:
        given.extend(ledger.deny(denial()) for _ in range(25))
        async with asyncio.timeout(10):
            while len(await asyncio.to_thread(evidence, store_of(db), ("acme",), 100)) < 11:
                await asyncio.sleep(0.02)
        assert len(set(given)) == 11
        found = await asyncio.to_thread(lambda: [one(store_of(db), identity) for identity in given])
        assert None not in found

    with_ledger(db, work)
    times = {row["id"]: row["times"] for row in evidence(store_of(db), (), 100)}
    assert times == {**dict.fromkeys(given[:10], 1), given[10]: 15}


def test_a_caller_that_tries_everything_fills_nothing(db: Db) -> None:
    given: list[str] = []

    async def work(ledger: Ledger) -> None:
        given.extend(ledger.deny(denial(target=f"tool/x{n}", chain=(), reason="unknown-target")) for n in range(5000))
        ledger.deny(denial(caller="other"))
        assert len(ledger._denials._alike) == 102

    with_ledger(db, work)
    found = evidence(store_of(db), (), 1000)
    assert {row["id"] for row in found} >= {*given}
    by_caller = {caller: [row for row in found if row["caller"] == caller] for caller in ("bot", "other")}
    assert [len(rows) for rows in by_caller.values()] == [101, 1]
    (many,) = (row for row in found if row["target"] == "*")
    assert (many["times"], many["reason"], many["path"]) == (4900, "many", [])


def test_a_minute_that_is_over_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: list[float] = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    found = Denials()
    first = [found.add(denial()) for _ in range(20)]
    clock[0] = 61.0
    again = found.add(denial())
    assert again not in first
    rows, counts = found.take(100)
    assert [row.id for row in rows] == [*dict.fromkeys(first), again]
    assert counts == [(first[10], 9)]
    assert found.take(100) == ([], [])
    clock[0] = 122.0
    found.end_minutes()
    assert not found._alike
    assert not found._different


@pytest.mark.parametrize("taken", [1, 11, 100])
def test_no_count_is_written_before_its_row(taken: int) -> None:
    found = Denials()
    for _ in range(30):
        found.add(denial())
    found.end_minutes(all_=True)
    seen: set[Any] = set()
    while found:
        rows, counts = found.take(taken)
        found.put_back(rows, counts)
        assert found.take(taken) == (rows, counts)
        seen |= {row.id for row in rows}
        assert {count.id for count in counts} <= seen
