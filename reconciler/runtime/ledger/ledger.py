"""``Ledger``: calls that wait become durable intents together; the next flush starts when the last one has ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from reconciler.failpoints import armed
from reconciler.runtime.ledger.batch import Backend, Batch, Space, StoreChanged, UidOf
from reconciler.runtime.ledger.denials import Denials
from reconciler.runtime.ledger.entries import (
    Denial,
    Hold,
    Intent,
    Level,
    Outcome,
    Refused,
    Repeated,
    Settlement,
    Unapproved,
)
from reconciler.runtime.ledger.judge import JudgedBatch
from reconciler.runtime.ledger.usage_rows import UsageRow
from reconciler.runtime.logs import Trouble

log = logging.getLogger("reconciler.runtime")
WAIT_SECONDS = 0.25
"""No intent on the disk by then: no access."""
PROOF_SECONDS = 1.0
MOST_WAITING = 2_000
MOST_TOGETHER = 500
SWEEP_SECONDS, GRACE_SECONDS = 15.0, 10.0
ALARM = Space(20 * 2**30, 2**30)
TELL_AGAIN_SECONDS = 3600.0


class Unavailable(Exception):
    """Evidence can't be written: there is no access."""


class Admitted(NamedTuple):
    """``warned`` are the limits that the call has passed all the same."""

    warned: tuple[Level, ...] = ()


Judgement = Admitted | Refused | Repeated | Unapproved


class _Waiting(NamedTuple):
    """``asked`` is a call, a later try of one, or None for whoever only asks whether a call would be written."""

    asked: Intent | Hold | None
    answer: asyncio.Future[Judgement]


def _unapproved(asked: Intent | Hold, judged: JudgedBatch) -> Unapproved | None:
    if isinstance(asked, Hold) or asked.use is None or asked.id not in judged.unapproved:
        return None
    return Unapproved(asked.use)


T = TypeVar("T")


def _taken(queue: deque[T]) -> list[T]:
    """Take the first of a queue, so many as go into one flush."""
    return [queue.popleft() for _ in range(min(MOST_TOGETHER, len(queue)))]


class Patience:
    """Futures that are given up when their time has come: one timer for all, since each of its own costs more than the future."""

    def __init__(self) -> None:
        self._futures: deque[tuple[float, asyncio.Future[Judgement]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def future(self, seconds: float) -> asyncio.Future[Judgement]:
        """Return a future that raises Unavailable after so many seconds: as many as for those before it."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Judgement] = loop.create_future()
        self._futures.append((loop.time() + seconds, found))
        if self._timer is None:
            self._timer = loop.call_later(seconds, self._look)
        return found

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while self._futures and (self._futures[0][1].done() or self._futures[0][0] <= loop.time()):
            _, late = self._futures.popleft()
            if not late.done():
                late.set_exception(Unavailable("evidence was not written in time"))
        self._timer = loop.call_at(self._futures[0][0], self._look) if self._futures else None


class Ledger:
    """Evidence and limits of one process; ``alarm`` is what the store may have and what has to be left."""

    def __init__(self, backend: Backend, keep_seconds: float, alarm: Space = ALARM) -> None:
        self._backend, self._keep, self._alarm = backend, keep_seconds, alarm
        self.space = Space(0)
        self._told_at = -math.inf
        self._waiting: deque[_Waiting] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._settled: deque[Settlement] = deque()
        self._usage: deque[UsageRow] = deque()
        self._denials = Denials()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.open: set[str] = set()
        """Calls whose intent is durable and that have no outcome yet: nothing else may reach a connector."""
        self.failures = 0
        self._flushed = -math.inf
        self._trouble = Trouble(log, "evidence was not written: %s")
        self._flushes = False
        self._hit = armed()
        self._patience = Patience()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._flushing()), asyncio.create_task(self._sweeping())]

    async def admit(self, intent: Intent) -> Judgement:
        """Durable when it returns Admitted. Raises Unavailable."""
        answer = await self._written(intent)
        if isinstance(answer, Admitted):
            self._hit("after_intent")
            self.open.add(intent.id)
        return answer

    async def reserve(self, hold: Hold) -> Judgement:
        """Reserve what a later try of a call may use. Durable when it returns Admitted. Raises Unavailable."""
        answer = await self._written(hold)
        if isinstance(answer, Admitted):
            self._hit("after_intent")
        return answer

    async def prove(self) -> None:
        """Return if the intent of a call would be written now, as one was within PROOF_SECONDS. Raises Unavailable."""
        if time.monotonic() - self._flushed > PROOF_SECONDS:
            await self._written(None)

    async def _written(self, asked: Intent | Hold | None) -> Judgement:
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("too many calls wait for evidence")
        waiting = _Waiting(asked, self._patience.future(WAIT_SECONDS))
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    def settle(self, outcome: Outcome) -> None:
        """Record what came of a call, with the next flush."""
        self._hit("before_outcome")
        self.open.discard(outcome.id)
        self._outcomes.append(outcome)
        self._wake.set()

    def settle_try(self, settlement: Settlement) -> None:
        """Record what a try was billed, with the next flush; once for each that was reserved."""
        self._hit("before_outcome")
        self._settled.append(settlement)
        self._wake.set()

    def add_usage(self, row: UsageRow) -> None:
        """Record what a call used, with the next flush."""
        self._usage.append(row)
        self._wake.set()

    async def write_usage(self, rows: Sequence[UsageRow]) -> None:
        """Record usage durably. Raises Unavailable."""
        if len(self._usage) + len(rows) > MOST_TOGETHER:  # all of them go into the flush that is waited for
            raise Unavailable("too much usage waits to be written")
        self._usage.extend(rows)
        await self._written(None)

    def deny(self, denial: Denial) -> str:
        """Return the id of the evidence that tells of this refusal: its own, or that of the row that counts it."""
        identity = self._denials.add(denial)
        self._wake.set()
        return identity

    async def _flushing(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._has_work:
                self._flushes = True
                written = await self._flush()
                self._flushes = False
                if not written:
                    await asyncio.sleep(0.1)  # outcomes and denials wait for the database to come back

    @property
    def _has_work(self) -> bool:
        return bool(self._waiting or self._outcomes or self._settled or self._usage or self._denials)

    async def _flush(self) -> bool:
        waiting = [self._waiting.popleft() for _ in range(min(MOST_TOGETHER, len(self._waiting)))]
        waiting = [one for one in waiting if not one.answer.done()]  # whoever has given up does not count
        outcomes, settled, usage = _taken(self._outcomes), _taken(self._settled), _taken(self._usage)
        denials, counts = self._denials.take(MOST_TOGETHER)
        try:
            intents = [one.asked for one in waiting if isinstance(one.asked, Intent)]
            holds = [one.asked for one in waiting if isinstance(one.asked, Hold)]
            proof = len(intents) + len(holds) < len(waiting)
            batch = Batch(intents, outcomes, denials, counts, proof, holds, settled, usage)
            judged = await self._backend.flush(batch)
        except Exception as error:
            # all who wait are denied; what was done has to be told later, and is kept
            self.failures += 1
            self._flushed = -math.inf
            self._trouble.occurs(str(error) if isinstance(error, StoreChanged) else type(error).__name__)
            self._outcomes.extendleft(reversed(outcomes))
            self._settled.extendleft(reversed(settled))
            self._usage.extendleft(reversed(usage))
            self._denials.put_back(denials, counts)
            for one in waiting:
                if not one.answer.done():
                    one.answer.set_exception(Unavailable("evidence was not written"))
            return False
        self._flushed = time.monotonic()
        self._trouble.ends()
        for one in waiting:
            self._answer(one, judged)
        return True

    def _answer(self, one: _Waiting, judged: JudgedBatch) -> None:
        asked = one.asked
        if asked is None:
            if not one.answer.done():
                one.answer.set_result(Admitted())
            return
        stopped = judged.refused.get(asked.id) or judged.repeated.get(asked.id) or _unapproved(asked, judged)
        if not one.answer.done():
            one.answer.set_result(stopped or Admitted(tuple(judged.over.get(asked.id, ()))))
        elif stopped is None:
            self._undo(asked)

    def _undo(self, asked: Intent | Hold) -> None:
        """End what was given up in the meantime: it was written, and its evidence says that nothing was done."""
        hold = asked if isinstance(asked, Hold) else asked.hold
        if hold is not None:
            self.settle_try(Settlement(hold, 0, 0))
        if isinstance(asked, Intent):
            self.settle(Outcome(asked.id, "blocked", None, 0, 0, "late", charged=asked))

    async def _sweeping(self) -> None:
        while True:
            await self._look_at_space()
            await asyncio.sleep(SWEEP_SECONDS)
            self._denials.end_minutes()
            if self._denials:
                self._wake.set()
            try:
                await self._backend.sweep(GRACE_SECONDS, self._keep)
            except Exception as error:
                log.error("evidence was not swept: %s", type(error).__name__)

    async def _look_at_space(self) -> None:
        """Warn of a store that is nearly full, since a full one ends all access."""
        with contextlib.suppress(Exception):  # one that can't be asked is told of by what is written into it
            self.space = await self._backend.space()
        if not self.is_short_of_space:
            self._told_at = -math.inf
        elif time.monotonic() - self._told_at >= TELL_AGAIN_SECONDS:
            self._told_at = time.monotonic()
            free = "" if self.space.free is None else f", and {self.space.free:,} are free where it lies"
            log.error(
                "the runtime's store has %s bytes%s; when it is full there is no access", f"{self.space.used:,}", free
            )

    @property
    def is_short_of_space(self) -> bool:
        free = self.space.free
        return self.space.used > self._alarm.used or (free is not None and free < (self._alarm.free or 0))

    async def used(self, levels: Sequence[Level]) -> list[int]:
        """Return what is used of each. Raises Unavailable."""
        try:
            return await self._backend.used(levels)
        except Exception:
            raise Unavailable("limits can't be read") from None

    async def count_by_uid(self, uid_of: UidOf) -> None:
        """Take over what an earlier release counted by names."""
        await self._backend.count_by_uid(uid_of)

    async def values_key(self) -> bytes:
        """Return the key of the hashes of values: the same for all servers of one store, and of no use without it."""
        import secrets

        return bytes.fromhex(await self._backend.identify(secrets.token_hex(32)))

    async def close(self, seconds: float = 2.0) -> None:
        """Write what waits, within bounds."""
        self._denials.end_minutes(all_=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._has_work or self._flushes:
                    self._wake.set()
                    await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        await self._backend.close()
