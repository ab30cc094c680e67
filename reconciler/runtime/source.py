"""The control database, turned into the snapshot in force: looked at four times a second, and nothing when that fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeVar

from reconciler.access.snapshot import Snapshot, snapshot_of
from reconciler.model.status import Status
from reconciler.runtime.logs import Trouble
from reconciler.runtime.threads import Worker
from reconciler.store.failures import DatabaseFailed
from reconciler.store.watch import Pulse, Watch

T = TypeVar("T")
log = logging.getLogger("reconciler.runtime")
POLL_SECONDS = 0.25
FRESH_SECONDS = 5.0
"""A snapshot that was not confirmed for so long denies everything."""
LOOK_SECONDS = 3.0
"""A look that takes longer hangs: its connection is cut, and the next look opens another one."""
START_SECONDS = 60.0
CLOSE_SECONDS = 1.0
WHOLE_SECONDS = 60.0
"""What no counter tells (a trigger that somebody took out) is seen by reading everything."""


class Stale(Exception):
    """What is in force is not known: there is no access."""


def _today() -> date:
    return datetime.now(UTC).date()


class InForce(NamedTuple):
    """One snapshot and the status that goes with it."""

    snapshot: Snapshot
    status: Status


class Source:
    """``changed`` is called after each new snapshot, in the event loop."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._worker = Worker()
        self.changed: Callable[[InForce], None] = lambda _in_force: None
        self._trouble = Trouble(log, "the control database can't be read: %s")
        self._load_seconds = START_SECONDS
        self._in_force: InForce | None = None
        self._pulse: Pulse | None = None
        self._again: int | None = None
        self._confirmed = 0.0
        self._whole = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what is in force. Raises what the database says: a server that knows nothing does not start."""
        try:
            await self._load()
        except TimeoutError:
            raise DatabaseFailed(
                "the database of the configuration does not answer",
                code="database-unreachable",
                hint="start again later",
            ) from None
        self._task = asyncio.create_task(self._polling())

    def current(self) -> InForce:
        """Return what is in force. Raises Stale."""
        if self._in_force is None or time.monotonic() - self._confirmed > FRESH_SECONDS:
            raise Stale("what is in force was not confirmed for too long")
        return self._in_force

    @property
    def pending(self) -> int:
        """How many decisions of operators are in force, and not in the audit trail yet."""
        return self._in_force.status.pending if self._in_force else 0

    @property
    def is_fresh(self) -> bool:
        try:
            self.current()
        except Stale:
            return False
        return True

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(Exception):
            await self._ask(self._watch.close, CLOSE_SECONDS)
        self._worker.end()

    async def _polling(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look()
                self._trouble.ends()
            except Exception as error:
                self._trouble.occurs(type(error).__name__)

    async def _ask(self, work: Callable[[], T], seconds: float) -> T:
        """Ask the database. Raises TimeoutError where it hangs: the server, the network, a lock, a file system."""
        try:
            async with asyncio.timeout(seconds):
                return await self._worker.do(work)
        except TimeoutError:
            self._watch = self._watch.abandon()
            self._worker.end()
            self._worker = Worker()
            raise

    async def _look(self) -> None:
        asked = time.monotonic()
        pulse = await self._ask(self._watch.pulse, LOOK_SECONDS)
        known = self._pulse
        moved = known is None or pulse.moves != known.moves or pulse.inode != known.inode
        ended = self._again is not None and pulse.oldest >= self._again
        if moved or ended or asked - self._whole > WHOLE_SECONDS:
            await self._load()
        elif known is not None and pulse.status != known.status:
            await self._load_status()
        else:
            self._confirmed = asked

    async def _load_status(self) -> None:
        """Freezes and keys, at once: nothing waits until every resource has been read."""
        asked = time.monotonic()
        pulse, status = await self._ask(self._watch.status, LOOK_SECONDS)
        if self._pulse is not None and self._in_force is not None:
            self._pulse = self._pulse._replace(status=pulse.status)
            self._in_force = self._in_force._replace(status=status)
            self._confirmed = asked
            self.changed(self._in_force)

    async def _load(self) -> None:
        asked = time.monotonic()
        world = await self._ask(self._watch.world, self._load_seconds)
        # many resources take their time; three times of what they took is a hang
        self._load_seconds = max(LOOK_SECONDS, 3 * (time.monotonic() - asked))
        self._again = world.pulse.next if world.pulse.oldest < world.pulse.next else None
        self._pulse = world.pulse
        self._in_force = InForce(snapshot_of(world.known, world.generations, _today), world.status)
        self._confirmed = self._whole = asked
        self.changed(self._in_force)
