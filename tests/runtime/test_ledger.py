"""Evidence before effect, limits that hold at every level, and what becomes of calls that nobody ends."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.runtime.ledger import ledger as module
from reconciler.runtime.ledger.batch import Batch, Space
from reconciler.runtime.ledger.entries import Denial, Intent, Level, Outcome, Refused, new_id, wait, window
from reconciler.runtime.ledger.judge import JudgedBatch, judge, key_of
from reconciler.runtime.ledger.ledger import Admitted, Ledger, Unavailable
from reconciler.runtime.parts import backend_of
from reconciler.store.url import parse_database
from tests.conftest import ROOT, Db, command_environment

TENANT = Level("acme", "tenant", "requests", "month", 3)
CALLER = Level("acme", "caller/bot", "requests", "month", 100)
SLOTS = Level("acme", "connector/w", "concurrent", "", 2)


def intent(*levels: Level, seconds: float = 30.0) -> Intent:
    return Intent(
        new_id(), "acme", "bot", "", "template/t", "connector/w", "query", "h", "policy/p", 1, False, seconds, levels
    )


def done(one: Intent, outcome: str = "success") -> Outcome:
    return Outcome(one.id, outcome, 1, 10, 5)


def running(db: Db, work: Callable[[Ledger], Awaitable[None]], keep: float = 1e9) -> None:
    async def main() -> None:
        ledger = Ledger(backend_of(parse_database(db.url, Path("/"))), keep)
        await ledger.values_key()  # as a server does: the store is there before anybody asks
        ledger.start()
        try:
            await work(ledger)
        finally:
            await ledger.close()

    asyncio.run(main())


def ids(db: Db, table: str) -> list[str]:
    return [shown(identity) for (identity,) in db.sql(f"SELECT id FROM {table} ORDER BY id")]


def shown(identity: Any) -> str:
    """An id as evidence shows it: a uuid on PostgreSQL."""
    return str(identity).replace("-", "")


def test_an_intent_is_durable_before_anything_else(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        one = intent(TENANT)
        assert await ledger.admit(one) == Admitted()
        assert ids(db, "intents") == [one.id]  # by another connection
        assert one.id in ledger.open
        ledger.settle(done(one))
        assert one.id not in ledger.open

    running(db, work)
    assert ids(db, "outcomes") == ids(db, "intents")


def test_a_refusal_spends_nothing_anywhere(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        answers = [await ledger.admit(intent(TENANT, CALLER)) for _ in range(5)]
        assert [isinstance(answer, Admitted) for answer in answers] == [True, True, True, False, False]
        refused = answers[-1]
        assert isinstance(refused, Refused)
        assert refused.level == TENANT
        assert 0 < refused.retry_after <= 31 * 86400 + 1

    running(db, work)
    assert dict(db.sql("SELECT target, n FROM counters")) == {"tenant": 3, "caller/bot": 3}
    assert len(ids(db, "intents")) == 3


def test_together_as_one_by_one(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        answers = await asyncio.gather(*(ledger.admit(intent(TENANT, CALLER)) for _ in range(50)))
        assert sum(isinstance(answer, Admitted) for answer in answers) == 3

    running(db, work)


def test_what_is_used_is_told(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        assert await ledger.used([SLOTS, TENANT]) == [0, 0]
        await ledger.admit(intent(TENANT, SLOTS))
        await ledger.admit(intent(TENANT))
        assert await ledger.used([SLOTS, TENANT, CALLER]) == [1, 2, 0]

    running(db, work)


def test_a_limit_that_warns_lets_pass(db: Db) -> None:
    warns = TENANT._replace(cap=1, warns=True)

    async def work(ledger: Ledger) -> None:
        assert await ledger.admit(intent(warns)) == Admitted()
        assert await ledger.admit(intent(warns)) == Admitted((warns,))

    running(db, work)


def test_slots_are_given_back_and_end_by_themselves(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ledger: Ledger) -> None:
        first, second = intent(SLOTS), intent(SLOTS, seconds=-4.0)  # one that has to be over since four seconds
        assert isinstance(await ledger.admit(first), Admitted)
        assert isinstance(await ledger.admit(second), Admitted)
        assert isinstance(await ledger.admit(intent(SLOTS)), Refused)
        ledger.settle(done(first))
        third = intent(SLOTS)
        assert isinstance(await ledger.admit(third), Admitted)
        assert isinstance(await ledger.admit(intent(SLOTS)), Refused)
        await asyncio.sleep(1.2)  # nobody ever ends the second: its lease does
        assert isinstance(await ledger.admit(intent(SLOTS)), Admitted)

    running(db, work)


async def admitted(ledger: Ledger, level: Level, seconds: float) -> int:
    """Of a thousand calls, fifty at a time."""
    count = 0
    for _ in range(20):
        answers = await asyncio.gather(*(ledger.admit(intent(level, seconds=seconds)) for _ in range(50)))
        count += sum(isinstance(answer, Admitted) for answer in answers)
    return count


def test_a_thousand_calls_that_were_killed_hold_no_slot(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 10.0)  # a busy machine is not what this is about
    wide = SLOTS._replace(cap=1000)

    async def work(ledger: Ledger) -> None:
        # as a process leaves them that dies in the middle of all: admitted, over at once, never settled
        assert await admitted(ledger, wide, seconds=0.0) == 1000
        assert isinstance(await ledger.admit(intent(wide)), Refused)
        while await ledger.used([wide]) != [0]:  # five seconds after the call has to be over
            await asyncio.sleep(0.2)
        assert await admitted(ledger, wide, seconds=30.0) == 1000

    running(db, work)


def test_a_store_that_is_almost_full_says_so(db: Db, caplog: pytest.LogCaptureFixture) -> None:
    async def work(ledger: Ledger) -> None:
        async with asyncio.timeout(5):
            while not ledger.space.used:
                await asyncio.sleep(0.01)
        assert ledger.space.used > 10_000
        assert (ledger.space.free is not None) == db.is_sqlite
        assert not ledger.is_short_of_space
        for alarm, short in ((Space(10_000, 0), True), (Space(2**60, 2**60), db.is_sqlite), (Space(2**60, 1), False)):
            ledger._alarm = Space(2**60, 0)
            await ledger._look_at_space()
            caplog.clear()
            ledger._alarm = alarm
            for _ in range(3):
                await ledger._look_at_space()
            assert ledger.is_short_of_space == short
            told = [one.getMessage() for one in caplog.records]
            assert len(told) == short, told  # once an hour
            assert all("when it is full there is no access" in text for text in told)

    running(db, work)


def test_what_nobody_ended_reads_unknown(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        lost, kept = intent(seconds=-11.0), intent()
        await ledger.admit(lost)
        await ledger.admit(kept)
        assert await ledger._backend.sweep(10.0, 1e9) == 1
        assert await ledger._backend.sweep(10.0, 1e9) == 0
        ledger.settle(done(lost))  # too late: what was told stays
        await asyncio.sleep(0.1)
        assert [(shown(one), outcome) for one, outcome in db.sql("SELECT id, outcome FROM outcomes")] == [
            (lost.id, "unknown")
        ]

    running(db, work)


def test_what_is_old_goes(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        second = Level("acme", "tenant", "requests", "second", 9)
        for level in (TENANT, second):
            one = intent(level)
            await ledger.admit(one)
            ledger.settle(done(one))
        ledger.deny(Denial(new_id(), "acme", "bot", "template/x", "no-policy", "", 1))
        await asyncio.sleep(0.1)
        db.sql("UPDATE counters SET period = '2020-01-01T00:00:00' WHERE length(period) = 19")
        await ledger._backend.sweep(10.0, 1e9)
        assert [period for (period,) in db.sql("SELECT period FROM counters")] == [
            time.strftime("%Y-%m", time.gmtime())
        ]
        await ledger._backend.sweep(10.0, -1.0)
        assert not ids(db, "intents") + ids(db, "outcomes") + ids(db, "denials")

    running(db, work)


class Broken:
    """A store that does what it is told: fails, or hangs."""

    def __init__(self, seconds: float = 0.0, fails: bool = False) -> None:
        self.seconds, self.fails, self.written = seconds, fails, list[Batch]()
        self.free = asyncio.Event()
        self.free.set()

    async def flush(self, batch: Batch) -> JudgedBatch:
        await asyncio.sleep(self.seconds)
        await self.free.wait()
        if self.fails:
            raise OSError("no space left")
        self.written.append(batch)
        return judge(batch.intents, {}, 0.0)

    async def sweep(self, grace: float, keep_seconds: float) -> int:
        return 0

    async def used(self, levels: Sequence[Level]) -> list[int]:
        raise OSError

    async def setting(self, name: str, value: str) -> str:
        return value

    async def close(self) -> None:
        return None


def test_no_evidence_no_access() -> None:
    async def main() -> None:
        ledger = Ledger(broken := Broken(fails=True), 1.0)
        ledger.start()
        with pytest.raises(Unavailable):
            await ledger.admit(intent())
        assert not ledger.open
        one = intent()
        ledger.settle(done(one))  # what was done is told once the store is back
        await asyncio.sleep(0.05)
        broken.fails = False
        await asyncio.sleep(0.3)
        assert [outcome.id for batch in broken.written for outcome in batch.outcomes] == [one.id]
        await ledger.close()

    asyncio.run(main())


def test_a_slow_store_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        ledger = Ledger(broken := Broken(), 1.0)
        broken.free.clear()
        ledger.start()
        late, waiting = intent(), intent()
        answers = await asyncio.gather(ledger.admit(late), _soon(ledger, waiting), return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        broken.free.set()
        until = time.monotonic() + 20
        while not any(batch.outcomes for batch in broken.written) and time.monotonic() < until:
            await asyncio.sleep(0.02)
        # the one that was under way was written: it says that nothing was done
        assert [one.id for batch in broken.written for one in batch.intents] == [late.id]
        told = [outcome for batch in broken.written for outcome in batch.outcomes]
        assert [(one.id, one.outcome, one.code) for one in told] == [(late.id, "blocked", "late")]
        assert not ledger.open
        await ledger.close()

    asyncio.run(main())


async def _soon(ledger: Ledger, one: Intent) -> Any:
    await asyncio.sleep(0.02)
    return await ledger.admit(one)


def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def main() -> None:
        ledger = Ledger(Broken(seconds=0.1), 1.0)
        ledger.start()
        answers = await asyncio.gather(*(ledger.admit(intent()) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
        await ledger.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("per", "at", "name", "seconds"),
    [
        ("second", 1_700_000_000.2, "2023-11-14T22:13:20", 1),
        ("minute", 1_700_000_000.0, "2023-11-14T22:13", 40),
        ("hour", 1_700_000_000.0, "2023-11-14T22", 2800),
        ("day", 1_700_000_000.0, "2023-11-14", 6400),
        ("month", 1_701_388_799.0, "2023-11", 2),
        ("month", 1_703_980_800.0, "2023-12", 86401),
    ],
)
def test_windows_are_fixed_and_in_utc(per: str, at: float, name: str, seconds: int) -> None:
    level = Level("acme", "tenant", "requests", per, 1)
    assert window(level, at) == name
    assert wait(level, at) == seconds


def test_the_name_of_a_limit_counts_for_nothing() -> None:
    """Another cap, or another way to say it, goes on counting where the last one was."""
    assert key_of(TENANT, 0.0) == key_of(TENANT._replace(cap=99, warns=True), 0.0)


def test_processes_together_admit_exactly_what_is_allowed(db: Db) -> None:
    """64 that ask in 4 processes, against 100 at three levels: each asks ten times."""
    command = [sys.executable, "-m", "tests.campaigns.admissions", "--url", db.url, "--tasks", "16", "--calls", "10"]
    environment = command_environment({"PYTHONPATH": str(ROOT)})
    _made_before(db)
    asked = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    counted = [json.loads(process.communicate(timeout=120)[0]) for process in asked]
    assert sum(one["admitted"] for one in counted) == 100
    assert sum(one["admitted"] + one["refused"] for one in counted) == 640
    assert {n for (n,) in db.sql("SELECT n FROM counters")} == {100}
    assert len(ids(db, "intents")) == 100


def _made_before(db: Db) -> None:
    async def nothing(_ledger: Ledger) -> None:
        await _ledger.values_key()

    running(db, nothing)
