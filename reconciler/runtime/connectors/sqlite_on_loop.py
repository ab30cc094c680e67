"""Reads of SQLite files on the event loop: what is over in a moment asks no thread (docs/decisions/0031).

A statement comes here once a thread has run it and found that its program can be interrupted at every step. Here it has
``MOST_STEPS`` and ``MOST_SECONDS``, waits for no lock, and runs in a read transaction of the schema that it was judged by. What
needs more, or fails, is begun anew in a thread, which says what comes of it.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from reconciler.runtime.call import Answer, Call
from reconciler.runtime.connectors.sql_common import Reading, Scope, scope_of
from reconciler.runtime.connectors.sqlite_guard import Guard
from reconciler.runtime.connectors.sqlite_program import is_interruptible

MOST_SECONDS = 0.002
MOST_STEPS = 20_000
"""Of SQLite's machine: a millisecond or two."""
MOST_LENGTH = 64 * 1024
"""Bytes of a value: a step copies or compares some of them."""
AGAIN_SECONDS = 30.0
"""How long a statement that needs more, or all of a file that is slow to read, is left to the threads."""
_LOOK_STEPS = 100
_NEWEST = 0.1
"""What the last read weighs in the mean of how long reads of the file take."""
_STARVED = 0.1
"""What time counts that passed without reading the disk: a busy machine holds the event loop whoever reads. (Some file systems
don't count what they read.)"""
_MOST_KNOWN, _MOST_OPEN = 512, 8
_VERSION = "PRAGMA main.schema_version"

Ask = Callable[[sqlite3.Connection, Call, Reading, int], Answer]
"""Runs a statement, whose values have at most so many bytes each."""


class Kept(NamedTuple):
    """A connection that can do nothing but read, of the file that it was opened on, and only what its scope allows."""

    connection: sqlite3.Connection
    identity: tuple[int, int]
    scope: Scope
    guard: Guard


class _Known(NamedTuple):
    """A statement that may run here while its file has this schema; None for one that may not. Nobody looks again ``until`` then."""

    schema: tuple[tuple[int, int], int] | None
    until: float = 0.0


class OnLoop:
    """One connection for each scope, used by the event loop alone; what is known of statements is noted by threads."""

    def __init__(self, path: str, ask: Ask) -> None:
        self._path, self._ask = path, ask
        self._known: dict[tuple[Scope, str], _Known] = {}
        self._open: dict[Scope, Kept] = {}
        self._learning = threading.Lock()
        self._closed = False
        self._ends, self._steps = 0.0, 0
        self._mean, self._paused, self._blocks = 0.0, 0.0, 0

    def answer(self, call: Call, reading: Reading) -> Answer | None:
        """Return the answer of a read; None where a thread has to find it. Raises Failed."""
        scope = scope_of(call)
        known, kept = self._known.get((scope, reading.sql)), self._open.get(scope)
        if known is None or known.schema is None or kept is None or kept.identity != known.schema[0]:
            return None
        if _identity(self._path) != kept.identity:
            self._close(scope)
            return None
        begun = time.monotonic()
        if begun < self._paused:
            return None
        self._ends, self._steps = begun + MOST_SECONDS, 0
        try:
            return self._asked(kept, call, reading, known.schema[1])
        except (sqlite3.Error, UnicodeError, OverflowError):
            return None
        finally:
            self._judge(scope, reading, begun)

    def _asked(self, kept: Kept, call: Call, reading: Reading, version: int) -> Answer | None:
        with reading_transaction(kept) as found:
            if found != version:
                self._known.pop((kept.scope, reading.sql), None)
                return None
            kept.guard.begin(kept.connection, reading.sql, version)
            return self._ask(kept.connection, call, reading, MOST_LENGTH)

    def _judge(self, scope: Scope, reading: Reading, begun: float) -> None:
        """Leave to the threads what took too much: by steps the statement, by the clock the file (its disk may be slow)."""
        now = time.monotonic()
        if self._steps > MOST_STEPS:
            self._known[scope, reading.sql] = _Known(None, now + AGAIN_SECONDS)
            return
        took = now - begun
        if took > MOST_SECONDS and not self._has_read_the_disk():
            took *= _STARVED
        self._mean += (took - self._mean) * _NEWEST
        if self._mean > MOST_SECONDS:
            self._mean, self._paused = 0.0, now + AGAIN_SECONDS

    def _has_read_the_disk(self) -> bool:
        """Whether the event loop's thread has read from a disk since this was asked last: nothing else that it does reads files."""
        before, self._blocks = self._blocks, resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
        return self._blocks > before

    def _is_over(self) -> bool:
        self._steps += _LOOK_STEPS
        return self._steps > MOST_STEPS or time.monotonic() > self._ends

    def takes(self, kept: Kept, reading: Reading) -> bool:
        """Note whether a statement may run here that a thread has just run; return whether its connection is kept here, too."""
        if self._is_settled(kept, reading) or not self._learning.acquire(blocking=False):
            return False
        try:
            return self._learn(kept, reading)
        except sqlite3.Error:
            return False
        finally:
            self._learning.release()

    def _is_settled(self, kept: Kept, reading: Reading) -> bool:
        known = self._known.get((kept.scope, reading.sql))
        if known is None or time.monotonic() < known.until:
            return known is not None
        return known.schema is not None and known.schema[0] == kept.identity and kept.scope in self._open

    def _learn(self, kept: Kept, reading: Reading) -> bool:
        with reading_transaction(kept) as version, unasked(kept.guard):
            short = is_interruptible(kept.connection, reading.bound("?"))
        takes = short and kept.scope not in self._open and len(self._open) < _MOST_OPEN and not self._closed
        if takes:
            with unasked(kept.guard):
                kept.connection.execute("PRAGMA busy_timeout = 0")
            kept.connection.set_progress_handler(self._is_over, _LOOK_STEPS)
            self._open[kept.scope] = kept
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        until = 0.0 if kept.scope in self._open else time.monotonic() + AGAIN_SECONDS
        self._known[kept.scope, reading.sql] = _Known((kept.identity, version) if short else None, until)
        return takes

    def close(self) -> None:
        self._closed = True
        for scope in [*self._open]:
            self._close(scope)

    def _close(self, scope: Scope) -> None:
        kept = self._open.pop(scope, None)
        if kept is not None:
            kept.connection.close()


@contextmanager
def unasked(guard: Guard) -> Iterator[None]:
    """Run statements of this program, which the guard does not judge."""
    guard.asks = False
    try:
        yield
    finally:
        guard.asks = True


@contextmanager
def reading_transaction(kept: Kept) -> Iterator[int]:
    """Yield the version of the schema that everything in it is read by. Raises sqlite3.Error."""
    try:
        with unasked(kept.guard):
            kept.connection.execute("BEGIN")
            (version,) = kept.connection.execute(_VERSION).fetchone()
        yield version
    finally:
        if kept.connection.in_transaction:
            with unasked(kept.guard):
                kept.connection.execute("ROLLBACK")


def _identity(path: str) -> tuple[int, int] | None:
    """Return which file a path leads to; it is the same file by whatever links."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
