"""A ticker calls its function again and again, and its thread is gone while a process forks."""

from __future__ import annotations

import os
import threading
import time

from reconciler.ticker import Ticker, TickerThread


def until(count: int, beats: list[int]) -> None:
    deadline = time.monotonic() + 30
    while len(beats) < count and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(beats) >= count


def threads() -> int:
    """How many tickers run; others may have threads in a test's process."""
    return sum(isinstance(thread, TickerThread) for thread in threading.enumerate())


def test_it_beats_until_it_is_stopped() -> None:
    beats: list[int] = []
    ticker = Ticker(lambda: beats.append(1), 0.001, 0.001)
    ticker.start()
    until(3, beats)
    ticker.stop()
    before = len(beats)
    time.sleep(0.05)
    assert len(beats) == before
    assert threads() == 0


def test_it_rests_at_a_fork_and_goes_on_in_the_parent_alone() -> None:
    seen: list[int] = []
    os.register_at_fork(before=lambda: seen.append(threads()))  # is called last
    beats: list[int] = []
    ticker = Ticker(lambda: beats.append(1), 0.001, 0.001)
    ticker.start()
    until(1, beats)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert seen == [0]
    until(len(beats) + 3, beats)
    ticker.stop()
    assert threads() == 0


def test_a_stopped_one_is_not_started_by_a_fork() -> None:
    beats: list[int] = []
    ticker = Ticker(lambda: beats.append(1), 0.001, 0.001)
    ticker.start()
    ticker.stop()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert threads() == 0
